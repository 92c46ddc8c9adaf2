//! Settings of a [`Core`](crate::Core).

use std::path::PathBuf;
use std::time::Duration;

use ff_protocol::session::PermissionPreset;
use ff_protocol::workspace::Owner;

use crate::terminal::TerminalConfig;

/// A line of this length still fits the usual 16 MiB limit on a WebSocket frame when it is passed
/// on.
const MAX_LINE_BYTES: usize = 16_000_000;

/// Which owner a core acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In a user's VM.
    Cloud,
    /// On a desktop; its id is in the store.
    Desktop,
}

/// Settings of a core. All paths are absolute.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Holds `core.db` and the spool of hand-offs.
    pub data_dir: PathBuf,
    /// Holds clones (`repos/`) and worktrees (`worktrees/`).
    pub base_dir: PathBuf,
    /// Home directory of the user the CLI runs as.
    pub home: PathBuf,
    /// The Claude CLI: a path, or a name to be found on `PATH`.
    pub claude: PathBuf,
    /// Preset of sessions that name none.
    pub permissions: PermissionPreset,
    /// An idle CLI process is closed after this long; the next prompt resumes it.
    pub idle_cli: Duration,
    /// Sessions whose CLI may live at once on this machine.
    pub live_sessions: usize,
    /// Longest line of the CLI that is taken, in bytes; a longer one is recorded as skipped.
    pub max_line_bytes: usize,
    /// How many terminals there may be, and how much is kept of each.
    pub terminals: TerminalConfig,
    /// Which owner this core acts as.
    pub side: Side,
}

impl CoreConfig {
    /// Settings with the defaults for everything but the places and the side.
    pub fn new(side: Side, home: PathBuf, data_dir: PathBuf, base_dir: PathBuf) -> Self {
        Self {
            data_dir,
            base_dir,
            home,
            claude: PathBuf::from("claude"),
            permissions: PermissionPreset::Relaxed,
            idle_cli: Duration::from_secs(600),
            live_sessions: 20,
            max_line_bytes: MAX_LINE_BYTES,
            terminals: TerminalConfig::default(),
            side,
        }
    }
}

impl Side {
    /// The owner that a core of this side is, given the installation's id.
    pub(crate) fn owner(self, desktop_id: ff_protocol::DesktopId) -> Owner {
        match self {
            Self::Cloud => Owner::Cloud,
            Self::Desktop => Owner::Desktop(desktop_id),
        }
    }
}
