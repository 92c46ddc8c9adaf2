//! `ff session interrupt WORKSPACE SESSION`.

use crate::cli::SessionArg;
use crate::context::Context;
use crate::session::host;
use crate::session::waits::Standing;

/// Interrupts the running turn; the session lives on.
pub async fn run(context: &Context, args: &SessionArg) -> anyhow::Result<()> {
    let (known, host, id) =
        host::of_session_waking(context, &args.workspace, &args.session).await?;
    let session = host.interrupt(&known.id, &id).await?;
    let standing = Standing::of(&host, session);
    context.out.result(&standing, || standing.text())
}
