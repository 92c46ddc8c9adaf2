//! `ff workspace show WORKSPACE`.

use ff_core::workspace::standing;
use ff_protocol::derived::StatusReason;
use ff_protocol::session::Session;
use ff_protocol::workspace::{Location, Workspace};
use serde::Serialize;

use crate::context::Context;
use crate::find::{self, Known};
use crate::moving::recovery;
use crate::output::table;
use crate::session::host::Host;
use crate::view::{SESSION_HEADER, WorkspaceView, session_row};

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
    let sessions = match sessions(context, &known).await {
        Ok(sessions) => Some(sessions),
        Err(error) => {
            context
                .out
                .say(format!("note: its sessions are not shown: {error:#}"));
            None
        }
    };
    let workspace = WorkspaceView::of(&known);
    let told = match sessions {
        // Who does not tell of the one does not tell of the other.
        None => None,
        Some(_) => told(context, &known).await,
    };
    let workspace = match told {
        Some(Told::ByItsSide(now)) => workspace.with(&now),
        Some(Told::Here(reason)) => workspace.standing(reason),
        None => workspace,
    };
    let shown = Shown {
        workspace,
        sessions,
    };
    context.out.result(&shown, || {
        let sessions = shown.sessions.as_deref().unwrap_or_default();
        if sessions.is_empty() {
            return shown.workspace.text();
        }
        let rows: Vec<Vec<String>> = sessions.iter().map(session_row).collect();
        format!(
            "{}\n\n{}",
            shown.workspace.text(),
            table(&SESSION_HEADER, &rows)
        )
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

async fn sessions(context: &Context, known: &Known) -> anyhow::Result<Vec<Session>> {
    Host::of(context, known).await?.sessions(&known.id).await
}
