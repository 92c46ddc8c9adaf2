//! `ff session interrupt WORKSPACE SESSION`.

use crate::cli::SessionArg;
use crate::context::Context;
use crate::output::{fields, wire_name};
use crate::session::host;

/// Interrupts the running turn; the session lives on.
pub async fn run(context: &Context, args: &SessionArg) -> anyhow::Result<()> {
    let (known, host, id) =
        host::of_session_waking(context, &args.workspace, &args.session).await?;
    let session = host.interrupt(&known.id, &id).await?;
    context.out.result(&session, || {
        fields(&[
            ("session", Some(session.id.to_string())),
            ("status", Some(wire_name(&session.status))),
            ("activity", Some(wire_name(&session.activity))),
        ])
    })
}
