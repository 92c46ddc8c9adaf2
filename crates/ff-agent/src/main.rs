//! The daemon inside a VM: the engine API plus the VM's own duties.

mod activity;
mod auth;
mod config;
mod gate;
mod governor;
mod health;
mod hello;
mod processes;
mod quiesce;
mod runtime;
mod server;
mod token;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use config::ServeArgs;

/// The daemon inside a Factory Factory Cloud VM.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the engine until a signal comes.
    Serve(ServeArgs),
}

fn main() -> Result<()> {
    let filter = EnvFilter::try_from_env("FF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written, as on a full disk, would end what wrote it.
        .log_internal_errors(false)
        .init();
    let Command::Serve(args) = Cli::parse().command;
    runtime::start()?.block_on(server::serve(args))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
