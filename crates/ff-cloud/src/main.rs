//! `ff-cloud`, the server's program.

use std::process::ExitCode;

use clap::Parser;
use ff_cloud::config::{Cli, Command};
use ff_cloud::{serve, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(config) = Cli::parse().command;
    telemetry::init(config.log_format);
    match serve::run(*config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::complain(&error);
            ExitCode::FAILURE
        }
    }
}
