//! Settings of the agent. The image and the server set them; a user has no need to.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use ff_core::terminal::TerminalConfig;
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
    /// Terminals that may be open at once.
    #[arg(long, env = "FF_TERMINALS", default_value = "50", value_parser = whole(1, 1000))]
    pub(crate) terminals: usize,
    /// Output kept of each terminal to be replayed, in bytes.
    #[arg(long, env = "FF_TERMINAL_RING", default_value = "1048576", value_parser = whole(4096, 64 << 20))]
    pub(crate) terminal_ring: usize,
    /// Lines kept of each terminal that have left its screen.
    #[arg(long, env = "FF_TERMINAL_SCROLLBACK", default_value = "10000", value_parser = whole(0, 100_000))]
    pub(crate) terminal_scrollback: usize,
}

impl ServeArgs {
    /// How many terminals there may be, and how much is kept of each.
    pub(crate) fn terminal_config(&self) -> TerminalConfig {
        TerminalConfig {
            open: self.terminals,
            ring_bytes: self.terminal_ring,
            scrollback_lines: self.terminal_scrollback,
        }
    }
}

fn whole(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}
