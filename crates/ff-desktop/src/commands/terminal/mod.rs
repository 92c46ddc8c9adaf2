//! `ff terminal`: opens one, or does something with those there are.

mod close;
mod list;
mod open;
mod rename;
mod target;

use std::process::ExitCode;

use crate::cli::{TerminalArgs, TerminalCommand};
use crate::context::Context;
use crate::stop;

/// Runs the command; the exit code is that of the shell where one was opened.
pub async fn run(context: &Context, mut args: TerminalArgs) -> anyhow::Result<ExitCode> {
    let Some(command) = args.command.take() else {
        return open::run(context, args).await;
    };
    let work = async {
        match command {
            TerminalCommand::List(args) => list::run(context, args).await,
            TerminalCommand::Close(args) => close::run(context, args).await,
            TerminalCommand::Rename(args) => rename::run(context, args).await,
        }
    };
    stop::unless(context.stop(), work).await?;
    Ok(ExitCode::SUCCESS)
}
