//! `ff session list WORKSPACE`.

use crate::context::Context;
use crate::output::table;
use crate::session::host;
use crate::view::{SESSION_HEADER, session_row};

/// Lists the sessions of a workspace.
pub async fn run(context: &Context, workspace: &str) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, workspace).await?;
    let sessions = host.sessions(&known.id).await?;
    if sessions.is_empty() {
        context.out.say(format!(
            "no sessions yet; start one with `ff session start {} --prompt TEXT`",
            known.id
        ));
    }
    context.out.result(&sessions, || {
        if sessions.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = sessions.iter().map(session_row).collect();
        table(&SESSION_HEADER, &rows)
    })
}
