//! `ff session fork WORKSPACE SESSION [--prompt TEXT]`.

use ff_protocol::session::StartSession;

use crate::cli::ForkArgs;
use crate::context::Context;
use crate::session::{host, prompt};

/// Begins another session from what was said in one so far, and shows its first turn if it has one.
pub async fn run(context: &Context, args: ForkArgs) -> anyhow::Result<()> {
    let source = &args.session;
    let (known, host, id) =
        host::of_session_waking(context, &source.workspace, &source.session).await?;
    let prompt = match &args.prompt {
        Some(given) => {
            prompt::check_stay(&host, &args.stay)?;
            Some(prompt::text(context, given).await?)
        }
        None => None,
    };
    let start = StartSession {
        prompt,
        name: args.name,
        model: args.model,
        permissions: args.permissions.map(Into::into),
        fork_of: Some(id),
        ..StartSession::default()
    };
    prompt::begin(context, &known, &host, start, &args.stay).await
}
