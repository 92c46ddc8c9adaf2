//! `ff terminal close`.

use super::target;
use crate::cli::OneTerminal;
use crate::context::Context;

/// Ends a terminal with everything that runs in it.
pub async fn run(context: &Context, args: OneTerminal) -> anyhow::Result<()> {
    let (engine, place, terminal) = target::find_one(context, &args).await?;
    engine.close_terminal(&place, &terminal.id).await?;
    let name = &terminal.name;
    context.out.result(&terminal, || format!("closed: {name}"))
}
