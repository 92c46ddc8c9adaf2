//! `ff send` and `ff pull`.

use clap::Args;

use super::WorkspaceArg;

/// Arguments of `ff send`.
#[derive(Debug, Args)]
pub struct SendWorkspace {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    #[arg(required_unless_present = "all")]
    pub workspace: Option<String>,
    /// Move all workspaces of this machine that can move
    #[arg(long, conflicts_with_all = ["workspace", "abort"])]
    pub all: bool,
    /// Interrupt turns that run
    #[arg(long)]
    pub interrupt: bool,
    /// Keep the copy that stayed in the VM and was changed since, as a workspace of its own there
    #[arg(long)]
    pub keep_both: bool,
    /// Do not ask before what runs in the workspace is ended
    #[arg(long, short)]
    pub yes: bool,
    /// Give up a move that was cut; the workspace stays where it is
    #[arg(long)]
    pub abort: bool,
}

/// Arguments of `ff pull`.
#[derive(Debug, Args)]
pub struct PullWorkspace {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Project of this machine that it comes to, when it was never here: slug, name or id
    #[arg(long)]
    pub project: Option<String>,
    /// Interrupt turns that run in the VM
    #[arg(long)]
    pub interrupt: bool,
    /// Keep the copy that stayed here and was changed since, as a workspace of its own
    #[arg(long)]
    pub keep_both: bool,
    /// Give up a move that was cut; the workspace stays where it is
    #[arg(long)]
    pub abort: bool,
}
