//! `ff session start WORKSPACE --prompt TEXT`.

use ff_protocol::session::StartSession;

use crate::cli::StartArgs;
use crate::context::Context;
use crate::session::{host, prompt};

/// Starts a session, and shows its first turn.
pub async fn run(context: &Context, args: StartArgs) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, &args.workspace).await?;
    prompt::check_stay(&host, &args.stay)?;
    let start = StartSession {
        prompt: Some(prompt::text(context, &args.prompt).await?),
        name: args.name,
        model: args.model,
        permissions: args.permissions.map(Into::into),
        ..StartSession::default()
    };
    prompt::begin(context, &known, &host, start, &args.stay).await
}
