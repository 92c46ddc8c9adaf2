//! `ff session close WORKSPACE SESSION`.

use crate::cli::SessionArg;
use crate::context::Context;
use crate::session::{host, waits};

/// Stops a session for good; what was said stays.
pub async fn run(context: &Context, args: &SessionArg) -> anyhow::Result<()> {
    let (known, host, id) =
        host::of_session_waking(context, &args.workspace, &args.session).await?;
    let stopped = host.close(&known.id, &id).await?;
    context
        .out
        .result(&stopped, || waits::after_stop(&host, &stopped))
}
