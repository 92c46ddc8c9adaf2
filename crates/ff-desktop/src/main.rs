//! `ff`: workspaces on this machine, and their way to the cloud and back.

mod address;
mod chat;
mod clean;
mod cli;
mod commands;
mod context;
mod domain;
mod failure;
mod fault;
mod files;
mod find;
mod locks;
mod moving;
mod output;
mod progress;
mod serving;
mod session;
mod settings;
mod stop;
mod tty;
mod view;
mod vm;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::context::Context;
use crate::failure::{Asked, explain};

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::log_to_stderr();
    fault::list();
    let asked = Asked {
        command: commands::as_typed(),
        workspace: commands::workspace_of(&cli.command),
    };
    run(cli).unwrap_or_else(|error| {
        tracing::debug!(?error, "the command failed");
        let failure = explain(&error, &asked);
        output::say(failure.render());
        failure.exit.into()
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let context = Context::new(cli.json)?;
    runtime.block_on(async {
        let signals = tokio::spawn(stop::watch(
            context.stop().clone(),
            context.interrupts().clone(),
        ));
        let result = commands::run(&context, cli.command).await;
        context.close().await;
        signals.abort();
        result
    })
}
