//! `ff terminal rename`.

use ff_protocol::terminal::RenameTerminal;

use super::target;
use crate::cli::RenameTerminalArgs;
use crate::context::Context;

/// Gives a terminal another name; who looks at it goes on looking.
pub async fn run(context: &Context, args: RenameTerminalArgs) -> anyhow::Result<()> {
    let (engine, place, terminal) = target::find_one(context, &args.terminal).await?;
    let rename = RenameTerminal { name: args.to };
    let renamed = engine
        .rename_terminal(&place, &terminal.id, &rename)
        .await?;
    let words = format!("renamed: {} is now {}", terminal.name, renamed.name);
    context.out.result(&renamed, || words)
}
