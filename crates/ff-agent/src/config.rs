//! Settings of the agent. The image and the server set them; a user has no need to.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, value_parser};
use ff_core::pull_request::INTERVAL;
use ff_protocol::VmId;

/// Settings of `ff-agent serve`.
#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Id of the VM this agent serves.
    #[arg(long, env = "FF_VM_ID")]
    pub(crate) vm_id: VmId,
    /// Address to listen on.
    #[arg(long, env = "FF_AGENT_LISTEN", default_value = "0.0.0.0:7070")]
    pub(crate) listen: SocketAddr,
    /// File with the token, read once and removed; `-` for the first line of standard input.
    #[arg(
        long,
        env = "FF_AGENT_TOKEN_FILE",
        default_value = "/var/lib/ff-agent/token"
    )]
    pub(crate) token_file: PathBuf,
    /// Home directory of the user whose work this is.
    #[arg(long, env = "HOME")]
    pub(crate) home: PathBuf,
    /// Seconds between two looks at the pull requests of workspaces.
    #[arg(long, env = "FF_PR_INTERVAL", default_value_t = INTERVAL.as_secs(), value_parser = value_parser!(u64).range(1..=86_400))]
    pub(crate) pr_interval: u64,
}
