//! `ff-cloud`, the server's program.

use std::process::ExitCode;

use clap::Parser;
use ff_cloud::config::{Cli, Command};
use ff_cloud::{doctor, serve, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(config) => {
            telemetry::init(config.log_format);
            match serve::run(*config).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    telemetry::complain(&error);
                    ExitCode::FAILURE
                }
            }
        }
        Command::Doctor(ask) => {
            telemetry::init(ask.config.log_format);
            match doctor::run(*ask).await {
                Ok(code) => code.into(),
                Err(error) => {
                    telemetry::complain(&error);
                    doctor::CANNOT_LOOK.into()
                }
            }
        }
    }
}
