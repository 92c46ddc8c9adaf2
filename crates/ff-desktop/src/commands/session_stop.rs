//! `ff session stop WORKSPACE SESSION`.

use crate::cli::SessionArg;
use crate::context::Context;
use crate::session::{host, waits};

/// Ends the session's process, and tells what that took back; a later prompt resumes the
/// conversation.
pub async fn run(context: &Context, args: &SessionArg) -> anyhow::Result<()> {
    let (known, host, id) =
        host::of_session_waking(context, &args.workspace, &args.session).await?;
    let stopped = host.stop(&known.id, &id).await?;
    context
        .out
        .result(&stopped, || waits::after_stop(&host, &stopped))
}
