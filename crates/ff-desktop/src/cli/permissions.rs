//! How permission requests are met.

use clap::ValueEnum;
use ff_protocol::session::{PermissionMode, PermissionPreset};

/// How permission requests of the Claude CLI are met.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Permissions {
    /// Every request is put to you
    Strict,
    /// Tools run; plans and questions are put to you
    Relaxed,
    /// As relaxed, meant for unattended work
    Yolo,
}

/// Permission mode of the Claude CLI.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Mode {
    /// It asks for what its rules do not allow
    Default,
    /// Edits of files in the workspace are not asked for
    #[value(name = "acceptEdits", alias = "accept-edits")]
    AcceptEdits,
    /// The model plans, and changes nothing until the plan is approved
    Plan,
    /// What would have to be asked for is refused
    #[value(name = "dontAsk", alias = "dont-ask")]
    DontAsk,
}

impl From<Mode> for PermissionMode {
    fn from(choice: Mode) -> Self {
        match choice {
            Mode::Default => Self::Default,
            Mode::AcceptEdits => Self::AcceptEdits,
            Mode::Plan => Self::Plan,
            Mode::DontAsk => Self::DontAsk,
        }
    }
}

impl From<Permissions> for PermissionPreset {
    fn from(choice: Permissions) -> Self {
        match choice {
            Permissions::Strict => Self::Strict,
            Permissions::Relaxed => Self::Relaxed,
            Permissions::Yolo => Self::Yolo,
        }
    }
}
