//! `ff workspace retry WORKSPACE`.

use super::workspace_new::told;
use crate::cli::RetryArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::session::host::of_workspace;

/// Tries again to make a workspace, or to run its scripts.
pub async fn run(context: &Context, args: RetryArgs) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, &args.workspace.workspace).await?;
    if args.detach && host.is_here() {
        let text = "nothing would go on making the workspace when this command has ended";
        return Err(Failure::new(Exit::Refused, text)
            .hint("start `ff serve` first, or leave out --detach")
            .into());
    }
    let begun = host.retry(&known.id).await?;
    let step = context
        .progress
        .step(format!("make workspace {}", begun.name));
    let made = match args.detach {
        true => begun,
        false => host.settled(&begun.id).await?,
    };
    step.done();
    told(context, &made, args.detach)
}
