//! How permission requests are met.

use clap::ValueEnum;
use ff_protocol::session::PermissionPreset;

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

impl From<Permissions> for PermissionPreset {
    fn from(choice: Permissions) -> Self {
        match choice {
            Permissions::Strict => Self::Strict,
            Permissions::Relaxed => Self::Relaxed,
            Permissions::Yolo => Self::Yolo,
        }
    }
}
