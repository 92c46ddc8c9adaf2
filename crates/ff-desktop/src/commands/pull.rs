//! `ff pull WORKSPACE`.

use anyhow::Context as _;
use ff_core::handoff::Incoming;
use ff_protocol::handoff::{CreateHandoff, Direction};
use ff_protocol::project::Project;
use ff_protocol::workspace::Location;

use super::workspace_new;
use crate::cli::PullWorkspace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::fault::{Point, reach};
use crate::moving::Move;
use crate::moving::transfer::download;
use crate::progress::bytes;

/// Moves a workspace from the user's VM to this machine.
pub async fn run(context: &Context, args: &PullWorkspace) -> anyhow::Result<()> {
    let moving = Move::begin(context, &args.workspace.workspace, "pull").await?;
    let known = &moving.known;
    if args.abort {
        let view = moving.abort().await?;
        return context.out.result(&view, || view.text());
    }
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
    if args.keep_both {
        keep(&moving).await?;
    }
    let step = context.progress.step("check the place it comes to");
    let begun = match &known.local {
        Some(_) => moving
            .core
            .handoff_begin_pull(&known.id)
            .await
            .map_err(Into::into),
        None => begin_first(&moving, args.project.as_deref()).await,
    };
    let incoming = match begun {
        Ok(incoming) => incoming,
        Err(error) => return Err(moving.not_begun(error).await),
    };
    step.done();
    let id = &incoming.handoff_id;
    let work = transfer(&moving, &incoming, args.interrupt);
    moving.carry(id, work).await?;
    let view = moving.view().await?;
    context.out.result(&view, || view.text())
}

/// Begins the pull of a workspace that was never on this machine.
async fn begin_first(moving: &Move<'_>, project: Option<&str>) -> anyhow::Result<Incoming> {
    let known = &moving.known;
    let here = moving.context.store().await?.projects().await?;
    let to = match project {
        Some(text) => workspace_new::named(text, &here)?,
        None => project_of(moving, &here).await?,
    };
    let branch = known.cloud.as_ref().map_or("", |row| &row.branch_name);
    let at = (branch, known.owner().1);
    let begun = moving.core.handoff_begin_first_pull(&known.id, &to.id, at);
    Ok(begun.await?)
}

/// The project of this machine that is the same as the workspace's one in the VM: by its id, or
/// its repository on GitHub.
async fn project_of<'a>(moving: &Move<'_>, here: &'a [Project]) -> anyhow::Result<&'a Project> {
    let known = &moving.known;
    let engine = moving.client().engine();
    let id = engine.workspace_init(&known.id).await?.workspace.project_id;
    if let Some(same) = here.iter().find(|project| project.id == id) {
        return Ok(same);
    }
    let there = engine.projects().await?;
    let repository = |project: &Project| {
        let (owner, name) = (
            project.github_owner.as_ref()?,
            project.github_repo.as_ref()?,
        );
        Some(format!("{owner}/{name}").to_lowercase())
    };
    let there = there.iter().find(|project| project.id == id);
    let wanted = there.and_then(repository);
    let same = here
        .iter()
        .find(|it| wanted.is_some() && repository(it) == wanted);
    if let Some(same) = same {
        return Ok(same);
    }
    let name = known.name();
    let of = wanted.or_else(|| there.map(|project| project.name.clone()));
    let of = of.unwrap_or_default();
    let text =
        format!("workspace {name} is of the repository {of}, which is no project of this machine");
    Err(Failure::new(Exit::NotFound, text)
        .hint(format!(
            "clone it and run `ff project add PATH`, or name a project: `ff pull {} --project NAME`",
            known.id
        ))
        .next("ff project list")
        .into())
}

/// A copy that stayed here and was changed since becomes a workspace of its own.
async fn keep(moving: &Move<'_>) -> anyhow::Result<()> {
    let (core, id) = (moving.core, &moving.known.id);
    if core.kept(id).await?.is_some_and(|kept| kept.edited) {
        let kept = core.workspace_restore(id).await?;
        let (name, branch) = (&kept.name, kept.branch_name.unwrap_or_default());
        moving.context.out.say(format!(
            "note: what was changed here is workspace \"{name}\" now, on branch {branch}; files that git ignores stayed with it"
        ));
    }
    Ok(())
}

/// Everything before the commit.
async fn transfer(moving: &Move<'_>, incoming: &Incoming, interrupt: bool) -> anyhow::Result<()> {
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
        interrupt,
    };
    let handoff = moving.client().create_handoff(&create).await?;
    moving.keep_open();
    let manifest = handoff
        .manifest
        .context("the cloud did not say what the VM packed")?;
    let size: u64 = manifest.parts.iter().map(|part| part.size).sum();
    step.done_with(format!("{} files, {}", manifest.parts.len(), bytes(size)));

    download(moving, &manifest).await?;
    reach(Point::Carried);

    let step = progress.step("restore here and compare");
    moving.core.handoff_restore(id, &manifest).await?;
    step.done();
    Ok(())
}
