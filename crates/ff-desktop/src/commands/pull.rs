//! `ff pull WORKSPACE`.

use anyhow::Context as _;
use ff_core::handoff::Incoming;
use ff_protocol::handoff::{CreateHandoff, Direction, Manifest};
use ff_protocol::workspace::Location;
use futures_util::TryStreamExt;
use tokio_util::io::StreamReader;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::moving::Move;
use crate::progress::bytes;

/// Moves a workspace from the user's VM to this machine.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let moving = Move::begin(context, text, "pull").await?;
    let known = &moving.known;
    if known.location() == Location::Desktop {
        let (owner, _) = known.owner();
        let text = format!(
            "workspace {} is not in the cloud: {owner} owns it",
            known.name()
        );
        return Err(Failure::new(Exit::Refused, text)
            .next(format!("ff workspace show {}", known.id))
            .into());
    }
    if known.local.is_none() {
        let text = format!("workspace {} was never on this machine", known.name());
        return Err(Failure::new(Exit::Refused, text)
            .hint("this version pulls a workspace only to a machine it was sent from")
            .next(format!("ff terminal {}", known.id))
            .into());
    }
    let step = context.progress.step("check the place it comes to");
    let incoming = match moving.core.handoff_begin_pull(&known.id).await {
        Ok(incoming) => incoming,
        Err(error) => return Err(moving.not_begun(error.into()).await),
    };
    step.done();
    let id = &incoming.handoff_id;
    moving.carry(id, transfer(&moving, &incoming)).await?;
    let view = moving.view().await?;
    context.out.result(&view, || view.text())
}

/// Everything before the commit.
async fn transfer(moving: &Move<'_>, incoming: &Incoming) -> anyhow::Result<()> {
    let progress = moving.context.progress;
    let id = &incoming.handoff_id;

    let step = progress.step("have the VM pack it");
    let create = CreateHandoff {
        id: id.clone(),
        user_id: Some(moving.cloud.settings.user_id.clone()),
        direction: Direction::Pull,
        workspace_id: moving.known.id.clone(),
        desktop_id: incoming.desktop_id.clone(),
        epoch: incoming.epoch,
        plan: None,
        have: incoming.have.clone(),
    };
    let handoff = moving.client().create_handoff(&create).await?;
    let manifest = handoff
        .manifest
        .context("the cloud did not say what the VM packed")?;
    let size: u64 = manifest.parts.iter().map(|part| part.size).sum();
    step.done_with(format!("{} files, {}", manifest.parts.len(), bytes(size)));

    download(moving, &manifest).await?;

    let step = progress.step("restore here and compare");
    moving.core.handoff_restore(id, &manifest).await?;
    step.done();
    Ok(())
}

async fn download(moving: &Move<'_>, manifest: &Manifest) -> anyhow::Result<()> {
    let id = &manifest.handoff_id;
    let step = moving.context.progress.step("fetch");
    for part in &manifest.parts {
        step.update(format!("{} ({})", part.name, bytes(part.size)));
        let pieces = moving.client().get_part(id, &part.sha256).await?;
        let reader = StreamReader::new(pieces.map_err(std::io::Error::other));
        moving.core.handoff_put_part(id, part, reader).await?;
    }
    step.done();
    Ok(())
}
