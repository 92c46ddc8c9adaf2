//! `ff workspace …`, and how a workspace is named.

use clap::{Args, Subcommand};

/// Commands on workspaces.
#[derive(Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Make a workspace: a branch with a checkout of its own
    New(NewWorkspace),
    /// List the workspaces of this machine and of the cloud
    List,
    /// Show one workspace: where it is, its branch, pull request and sessions
    Show(WorkspaceArg),
}

/// Arguments of `ff workspace new`.
#[derive(Debug, Args)]
pub struct NewWorkspace {
    /// Name of the workspace
    pub name: String,
    /// Project: id, beginning of an id, or name; without it the project of the current directory, or the only one
    #[arg(long, short)]
    pub project: Option<String>,
    /// Branch; without it one is made up from the name. An existing branch is continued
    #[arg(long, short)]
    pub branch: Option<String>,
}

/// One workspace.
#[derive(Debug, Args)]
pub struct WorkspaceArg {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
}
