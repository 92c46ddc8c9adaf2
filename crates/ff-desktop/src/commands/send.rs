//! `ff send WORKSPACE`.

use std::io::BufRead;

use ff_client::TerminalPlace;
use ff_core::handoff::Outgoing;
use ff_protocol::handoff::{CreateHandoff, Direction};
use ff_protocol::workspace::{Location, RunScriptStatus, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, Problem};

use crate::cli::SendWorkspace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::fault::{Point, reach};
use crate::find::Known;
use crate::moving::Move;
use crate::moving::transfer::upload;
use crate::output::interactive;
use crate::progress::bytes;
use crate::session::host::Host;
use crate::view::WorkspaceView;

/// Moves a workspace from this machine to the user's VM, or all of them.
pub async fn run(context: &Context, args: &SendWorkspace) -> anyhow::Result<()> {
    let Some(text) = args.workspace.as_deref().filter(|_| !args.all) else {
        return all(context, args).await;
    };
    let view = one(context, text, args).await?;
    context.out.result(&view, || view.text())
}

/// One after the other; what cannot move stays, and is told.
async fn all(context: &Context, args: &SendWorkspace) -> anyhow::Result<()> {
    let owner = context.core().await?.owner().clone();
    let workspaces = context.store().await?.workspaces().await?;
    let here = |it: &Workspace| it.owner == owner && it.status == WorkspaceStatus::Ready;
    let (mut views, mut stayed) = (Vec::new(), Vec::new());
    for workspace in workspaces.into_iter().filter(here) {
        context.out.say(format!("workspace {}:", workspace.name));
        match one(context, workspace.id.as_str(), args).await {
            Ok(view) => views.push(view),
            Err(error) if context.stop().is_cancelled() => return Err(error),
            Err(error) => {
                context.out.say(format!("note: it stays: {error:#}"));
                stayed.push(workspace.name);
            }
        }
    }
    context.out.result(&views, || {
        let lines: Vec<_> = views.iter().map(|view| view.text()).collect();
        lines.join("\n\n")
    })?;
    if stayed.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} workspace(s) stay here: {}",
        stayed.len(),
        stayed.join(", ")
    );
    Err(Failure::new(Exit::Refused, text)
        .next("ff workspace list")
        .into())
}

async fn one(context: &Context, text: &str, args: &SendWorkspace) -> anyhow::Result<WorkspaceView> {
    let moving = Move::begin(context, text, "send").await?;
    if args.abort {
        return moving.abort().await;
    }
    if moving.known.location() == Location::Cloud {
        let text = format!("workspace {} is in the cloud already", moving.known.name());
        return Err(Failure::new(Exit::Refused, text)
            .next(format!("ff workspace show {}", moving.known.id))
            .into());
    }
    ends_here(context, &moving.known, args.yes).await?;
    let step = context.progress.step("check the workspace");
    let begun = moving
        .core
        .handoff_mark_send(&moving.known.id, args.interrupt)
        .await;
    let mut outgoing = match begun {
        Ok(outgoing) => outgoing,
        Err(error) => return Err(moving.not_begun(error.into()).await),
    };
    outgoing.plan.keep_both = args.keep_both;
    rest(&moving).await?;
    step.done();
    for warning in &outgoing.warnings {
        context.out.say(format!("note: {warning}"));
    }
    let id = &outgoing.handoff_id;
    moving.carry(id, transfer(&moving, &outgoing)).await?;
    moving.view().await
}

/// Tells what a move ends in the workspace, and asks where somebody can answer.
async fn ends_here(context: &Context, known: &Known, yes: bool) -> anyhow::Result<()> {
    let mut ends = Vec::new();
    if let Host::Engine(engine, _) = Host::of_this_machine(context).await? {
        let place = TerminalPlace::Workspace(known.id.clone());
        let open = engine.terminals(&place).await?;
        let open = open.into_iter().filter(|it| it.exit_code.is_none());
        ends.extend(open.map(|it| format!("terminal {}", it.name)));
    }
    let runs = |it: &Workspace| it.run_script.status != RunScriptStatus::Idle;
    if known.local.as_ref().is_some_and(runs) {
        ends.push("the run script".into());
    }
    if ends.is_empty() {
        return Ok(());
    }
    let ends = ends.join(", ");
    context.out.say(format!("note: the move ends {ends}"));
    if yes || !interactive() {
        return Ok(());
    }
    context.out.say("Go on? [y/N]");
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(1..) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(Exit::Refused, "nothing was moved").into()),
    }
}

/// What runs in the workspace ends, now that nothing begins any more: first in the `ff serve` of
/// this machine, in order, then whatever a process that is gone has left.
async fn rest(moving: &Move<'_>) -> anyhow::Result<()> {
    let id = &moving.known.id;
    if let Host::Engine(engine, _) = Host::of_this_machine(moving.context).await? {
        engine.rest(id).await?;
    }
    Ok(moving.core.workspace_rest(id).await?)
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
        interrupt: false,
    };
    let handoff = moving.client().create_handoff(&create).await?;
    moving.keep_open();
    step.done();

    let step = progress.step("pack");
    let manifest = moving.core.handoff_spool(id, &handoff.have).await?;
    let size: u64 = manifest.parts.iter().map(|part| part.size).sum();
    step.done_with(format!("{} files, {}", manifest.parts.len(), bytes(size)));

    upload(moving, &manifest).await?;
    reach(Point::Carried);

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
