//! `ff session list WORKSPACE`.

use crate::context::Context;
use crate::session::host;
use crate::view::session_table;

/// Lists the sessions of a workspace.
pub async fn run(context: &Context, workspace: &str) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, workspace).await?;
    host.look().await?;
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
        session_table(&host, &sessions)
    })
}
