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
    /// Show what the scripts printed that made a workspace ready
    Log(WorkspaceArg),
    /// Try again to make a workspace that failed, or whose scripts failed
    Retry(RetryArgs),
    /// Forget the warning of a workspace whose scripts failed
    Dismiss(WorkspaceArg),
    /// Give a workspace another name; its branch keeps its own
    Rename(RenameArgs),
    /// Put a workspace away: commit what is not committed, remove its checkout, keep its branch
    Archive(ArchiveArgs),
    /// Remove a workspace with its checkout and its conversations; keep its branch
    Delete(DeleteArgs),
    /// Make the copy that stayed here when a workspace left a workspace of its own
    Restore(WorkspaceArg),
    /// Take a workspace from a side that is gone, and go on from the copy that stayed
    Reclaim(ReclaimArgs),
    /// The run script that factory-factory.json names
    #[command(subcommand)]
    Run(RunCommand),
}

/// Commands on the run script of a workspace.
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Start it; without `ff serve`, this command stays until it ends
    Start(WorkspaceArg),
    /// Stop it, with all it started
    Stop(WorkspaceArg),
    /// Show its state and what it printed
    Logs(WorkspaceArg),
}

/// Arguments of `ff workspace new`.
#[derive(Debug, Args)]
pub struct NewWorkspace {
    /// Name of the workspace; may be left out with --branch or --issue
    #[arg(required_unless_present_any = ["branch", "issue"])]
    pub name: Option<String>,
    /// Project: id, beginning of an id, or name; without it the project of the current directory, or the only one
    #[arg(long, short)]
    pub project: Option<String>,
    /// Go on with this branch, which is here or at the remote; without it one is made up from the name
    #[arg(long, short, conflicts_with_all = ["from", "issue"])]
    pub branch: Option<String>,
    /// Branch to start from, where it is not the project's default
    #[arg(long)]
    pub from: Option<String>,
    /// Web address of a GitHub issue: its title and text give the name and the first message
    #[arg(long, value_name = "URL")]
    pub issue: Option<String>,
    /// First message to the first session; `-` reads it from stdin
    #[arg(long)]
    pub prompt: Option<String>,
    /// Make it in your VM, from a project there
    #[arg(long)]
    pub cloud: bool,
    /// Return at once; in the cloud, or under `ff serve`
    #[arg(long)]
    pub detach: bool,
}

/// Arguments of `ff workspace retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Return at once; in the cloud, or under `ff serve`
    #[arg(long)]
    pub detach: bool,
}

/// Arguments of `ff workspace rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// The new name
    pub name: String,
}

/// Arguments of `ff workspace archive`.
#[derive(Debug, Args)]
pub struct ArchiveArgs {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Remove the lock that another git left on the index of the checkout
    #[arg(long)]
    pub remove_git_index_lock: bool,
}

/// Arguments of `ff workspace delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Do not ask; what is not committed is lost
    #[arg(long, short)]
    pub yes: bool,
    /// Only take it from the lists, when the cloud or machine that holds it is gone for good
    #[arg(long)]
    pub forget: bool,
}

/// Arguments of `ff workspace reclaim`.
#[derive(Debug, Args)]
pub struct ReclaimArgs {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
    /// Go on from the copy in your VM, where a desktop is gone
    #[arg(long, conflicts_with = "offline")]
    pub cloud: bool,
    /// Do not ask the cloud: it is gone, or hears of it at the next contact
    #[arg(long)]
    pub offline: bool,
    /// Do not ask; what the other side did since the workspace left stays there
    #[arg(long, short)]
    pub yes: bool,
}

/// One workspace.
#[derive(Debug, Args)]
pub struct WorkspaceArg {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
}
