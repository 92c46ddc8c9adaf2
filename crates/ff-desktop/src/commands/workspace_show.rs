//! `ff workspace show WORKSPACE`.

use ff_protocol::session::Session;
use serde::Serialize;

use crate::context::Context;
use crate::find;
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
    let shown = Shown {
        workspace: WorkspaceView::of(&known),
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

async fn sessions(context: &Context, known: &find::Known) -> anyhow::Result<Vec<Session>> {
    Host::of(context, known).await?.sessions(&known.id).await
}
