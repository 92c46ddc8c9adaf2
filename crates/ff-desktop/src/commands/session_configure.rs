//! `ff session configure WORKSPACE SESSION …`.

use ff_protocol::session::Configure;

use crate::cli::ConfigureArgs;
use crate::context::Context;
use crate::session::host;
use crate::view::session_text;

/// Changes a session; a process that runs takes it at once.
pub async fn run(context: &Context, args: ConfigureArgs) -> anyhow::Result<()> {
    let asked = &args.session;
    let (known, host, id) =
        host::of_session_waking(context, &asked.workspace, &asked.session).await?;
    let change = Configure {
        name: args.name,
        model: args.model,
        permissions: args.permissions.map(Into::into),
        permission_mode: args.mode.map(Into::into),
        thinking_tokens: args.thinking,
    };
    let session = host.configure(&known.id, &id, change).await?;
    context.out.result(&session, || session_text(&session))
}
