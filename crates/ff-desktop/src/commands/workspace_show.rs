//! `ff workspace show WORKSPACE`.

use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::session::Session;
use serde::Serialize;

use crate::context::Context;
use crate::find;
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
        Some(_) => pull_request(context, &known).await,
    };
    let (host, sessions) = held.unzip();
    let shown = Shown {
        workspace: match told {
            Some(status) => workspace.with(status),
            None => workspace,
        },
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

/// What the side that holds the workspace knows of its pull request; this machine's own records
/// are read already.
async fn pull_request(context: &Context, known: &find::Known) -> Option<PullRequestStatus> {
    let host = Host::of(context, known).await.ok()?;
    if host.is_here() {
        return None;
    }
    match host.pull_request(&known.id).await {
        Ok(status) => Some(status),
        Err(error) => {
            context
                .out
                .say(format!("note: its pull request is not shown: {error:#}"));
            None
        }
    }
}

async fn sessions<'a>(
    context: &'a Context,
    known: &find::Known,
) -> anyhow::Result<(Host<'a>, Vec<Session>)> {
    let host = Host::of(context, known).await?;
    host.look().await?;
    let sessions = host.sessions(&known.id).await?;
    Ok((host, sessions))
}
