//! `ff send WORKSPACE`.

use ff_core::handoff::Outgoing;
use ff_protocol::ErrorCode;
use ff_protocol::Problem;
use ff_protocol::handoff::{CreateHandoff, Direction, Manifest};
use ff_protocol::session::{Activity, SessionStatus};
use ff_protocol::workspace::Location;
use tokio_util::io::ReaderStream;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::Known;
use crate::moving::Move;
use crate::progress::bytes;
use crate::session::host::Host;
use futures_util::StreamExt;

/// Moves a workspace from this machine to the user's VM.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let moving = Move::begin(context, text, "send").await?;
    if moving.known.location() == Location::Cloud {
        let text = format!("workspace {} is in the cloud already", moving.known.name());
        return Err(Failure::new(Exit::Refused, text)
            .next(format!("ff workspace show {}", moving.known.id))
            .into());
    }
    let step = context.progress.step("check the workspace");
    end_served(context, &moving.known).await?;
    let outgoing = match moving.core.handoff_begin_send(&moving.known.id).await {
        Ok(outgoing) => outgoing,
        Err(error) => return Err(moving.not_begun(error.into()).await),
    };
    step.done();
    for warning in &outgoing.warnings {
        context.out.say(format!("note: {warning}"));
    }
    let id = &outgoing.handoff_id;
    moving.carry(id, transfer(&moving, &outgoing)).await?;
    let view = moving.view().await?;
    context.out.result(&view, || view.text())
}

/// Sessions that idle in the `ff serve` of this machine end there, in order; one that works is
/// found by the check that follows.
async fn end_served(context: &Context, known: &Known) -> anyhow::Result<()> {
    let host = Host::of(context, known).await?;
    if host.is_here() {
        return Ok(());
    }
    for session in host.sessions(&known.id).await? {
        if session.status == SessionStatus::Running && session.activity == Activity::Idle {
            host.stop(&known.id, &session.id).await?;
        }
    }
    Ok(())
}

/// Everything before the commit.
async fn transfer(moving: &Move<'_>, outgoing: &Outgoing) -> anyhow::Result<()> {
    let progress = moving.context.progress;
    let id = &outgoing.handoff_id;

    let step = progress.step("make the VM ready (wake it, clone or fetch)");
    let create = CreateHandoff {
        id: id.clone(),
        user_id: Some(moving.cloud.settings.user_id.clone()),
        direction: Direction::Send,
        workspace_id: outgoing.workspace.id.clone(),
        desktop_id: outgoing.desktop_id.clone(),
        epoch: outgoing.epoch,
        plan: Some(outgoing.plan.clone()),
        have: Vec::new(),
    };
    let handoff = moving.client().create_handoff(&create).await?;
    step.done();

    let step = progress.step("pack");
    let manifest = moving.core.handoff_spool(id, &handoff.have).await?;
    let size: u64 = manifest.parts.iter().map(|part| part.size).sum();
    step.done_with(format!("{} files, {}", manifest.parts.len(), bytes(size)));

    upload(moving, &manifest).await?;

    let step = progress.step("restore in the VM and compare");
    let restored = moving.client().restore(id, &manifest).await?;
    if restored.fingerprint != manifest.fingerprint {
        let detail = "what the VM restored is not what was sent: the fingerprints differ";
        return Err(Problem::new(ErrorCode::Corrupted, detail).into());
    }
    moving.core.handoff_unchanged(id).await?;
    step.done();
    Ok(())
}

async fn upload(moving: &Move<'_>, manifest: &Manifest) -> anyhow::Result<()> {
    let id = &manifest.handoff_id;
    let step = moving.context.progress.step("send");
    for part in &manifest.parts {
        step.update(format!("{} ({})", part.name, bytes(part.size)));
        let path = moving.core.handoff_part(id, &part.sha256).await?;
        let file = tokio::fs::File::open(&path).await?;
        let pieces = ReaderStream::new(file).map(|piece| piece.map_err(Into::into));
        moving
            .client()
            .put_part(id, &part.sha256, part.size, Box::pin(pieces))
            .await?;
    }
    step.done();
    Ok(())
}
