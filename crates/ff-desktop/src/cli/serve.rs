//! `ff serve`.

use clap::{Args, value_parser};
use ff_core::pull_request::INTERVAL;

/// Arguments of `ff serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Seconds between two looks at the pull requests of this machine's workspaces
    #[arg(long, value_name = "SECONDS", default_value_t = INTERVAL.as_secs(), value_parser = value_parser!(u64).range(1..=86_400))]
    pub pr_interval: u64,
}
