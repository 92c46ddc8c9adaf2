//! `ff pr …` and `ff ratchet …`.

use clap::{Args, Subcommand};

use super::WorkspaceArg;

/// Commands on pull requests.
#[derive(Debug, Subcommand)]
pub enum PrCommand {
    /// Show what is known of a workspace's pull request
    Show(WorkspaceArg),
    /// Read it from GitHub now, or look for one of the workspace's branch
    Sync(WorkspaceArg),
    /// Give a workspace its pull request by hand
    Attach(AttachArgs),
}

/// Arguments of `ff pr attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
    /// The pull request: its web address, or its number in the project's repository
    pub pull_request: String,
}

/// Commands on the ratchet.
#[derive(Debug, Subcommand)]
pub enum RatchetCommand {
    /// Switch it on
    On(WorkspaceArg),
    /// Switch it off, and forget what it did
    Off(WorkspaceArg),
}

impl PrCommand {
    /// The workspace it names.
    pub fn workspace(&self) -> &str {
        match self {
            Self::Show(args) | Self::Sync(args) => &args.workspace,
            Self::Attach(args) => &args.workspace,
        }
    }
}

impl RatchetCommand {
    /// The workspace it names.
    pub fn workspace(&self) -> &str {
        match self {
            Self::On(args) | Self::Off(args) => &args.workspace,
        }
    }
}
