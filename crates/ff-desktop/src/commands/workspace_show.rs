//! `ff workspace show WORKSPACE`.

use ff_core::workspace::standing;
use ff_protocol::derived::StatusReason;
use ff_protocol::session::Session;
use ff_protocol::workspace::{Location, Workspace};
use serde::Serialize;

use crate::context::Context;
use crate::find::{self, Known};
use crate::moving::recovery;
use crate::session::host::Host;
use crate::view::{WorkspaceView, session_table};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    workspace: WorkspaceView,
    /// Absent when the side that holds them does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<Session>>,
}

/// Shows a workspace with its sessions.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let found = find::workspace(context, text).await?;
    recovery::recover(context, Some(&found.id)).await?;
    let known = find::workspace(context, found.id.as_str()).await?;
    let held = match sessions(context, &known).await {
        Ok(held) => Some(held),
        Err(error) => {
            context
                .out
                .say(format!("note: its sessions are not shown: {error:#}"));
            None
        }
    };
    let kept = match context.store().await?.retained(&known.id).await? {
        Some(_) => context.core().await?.kept(&known.id).await?,
        None => None,
    };
    let workspace = WorkspaceView::of(&known).with_kept(kept);
    let told = match held {
        // Who does not tell of the one does not tell of the other.
        None => None,
        Some(_) => told(context, &known).await,
    };
    let workspace = match told {
        Some(Told::ByItsSide(now)) => workspace.with(&now),
        Some(Told::Here(reason)) => workspace.standing(reason),
        None => workspace,
    };
    let (host, sessions) = held.unzip();
    let shown = Shown {
        workspace,
        sessions,
    };
    context.out.result(&shown, || {
        let text = shown.workspace.text();
        match (&host, shown.sessions.as_deref()) {
            (Some(host), Some(sessions @ [_, ..])) => {
                format!("{text}\n\n{}", session_table(host, sessions))
            }
            _ => text,
        }
    })
}

/// What is told of a workspace beyond what both sides' rows say.
enum Told {
    /// What this machine's records say of it: why it stands where it does.
    Here(Option<StatusReason>),
    /// What the side that holds it knows.
    ByItsSide(Box<Workspace>),
}

async fn told(context: &Context, known: &Known) -> Option<Told> {
    let asked = match known.location() {
        Location::Desktop => reason(context, known).await.map(Told::Here),
        Location::Cloud => now(context, known).await.map(Told::ByItsSide),
        Location::Conflict => return None,
    };
    match asked {
        Ok(told) => Some(told),
        Err(error) => {
            context
                .out
                .say(format!("note: how it stands is not shown: {error:#}"));
            None
        }
    }
}

async fn reason(context: &Context, known: &Known) -> anyhow::Result<Option<StatusReason>> {
    let here = known.local.as_slice();
    let mut reasons = standing::reasons(context.store().await?, here).await?;
    Ok(reasons.remove(&known.id))
}

async fn now(context: &Context, known: &Known) -> anyhow::Result<Box<Workspace>> {
    let report = Host::of(context, known).await?.init(&known.id).await?;
    Ok(Box::new(report.workspace))
}

async fn sessions<'a>(
    context: &'a Context,
    known: &Known,
) -> anyhow::Result<(Host<'a>, Vec<Session>)> {
    let host = Host::of(context, known).await?;
    host.look().await?;
    let sessions = host.sessions(&known.id).await?;
    Ok((host, sessions))
}
