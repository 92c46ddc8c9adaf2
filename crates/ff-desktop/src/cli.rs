//! The command line: what can be said, and its help.

mod chat;
mod cloud;
mod github;
mod import;
mod moving;
mod permissions;
mod project;
mod serve;
mod session;
mod terminal;
mod workspace;

pub use chat::ChatArgs;
pub use cloud::{CloudCommand, SetupArgs};
pub use github::{PrCommand, RatchetCommand};
pub use import::{ExportArgs, ImportArgs};
pub use moving::{PullWorkspace, SendWorkspace};
pub use permissions::{Mode, Permissions};
pub use project::{ProjectCommand, Startup};
pub use serve::ServeArgs;
pub use session::{
    AnswerArgs, ConfigureArgs, ForkArgs, ResumeArgs, SendArgs, SessionArg, SessionCommand,
    StartArgs, Stay,
};
pub use terminal::{
    ListTerminals, OneTerminal, RenameTerminalArgs, TerminalArgs, TerminalCommand,
    TerminalPlaceArgs,
};
pub use workspace::{
    ArchiveArgs, DeleteArgs, NewWorkspace, ReclaimArgs, RenameArgs, RetryArgs, RunCommand,
    WorkspaceArg, WorkspaceCommand,
};

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  no such project, workspace, session or terminal
  4  refused: the state of things forbids it (the message says what to change)
  5  the cloud cannot be reached, or cannot act now
  6  you are waited for: a session for an answer, a VM for a login
  130  interrupted
`ff terminal` ends with the exit code of the shell.";

/// Coding-agent workspaces that keep working after you close the laptop.
#[derive(Debug, Parser)]
#[command(name = "ff", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Print one JSON document on stdout; progress and messages go to stderr
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `ff`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Repositories on this machine
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Workspaces: a branch, its checkout and its sessions
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// The cloud server and your VM on it
    #[command(subcommand)]
    Cloud(CloudCommand),
    /// Move a workspace from this machine to your VM
    Send(SendWorkspace),
    /// Move a workspace from your VM to this machine
    Pull(PullWorkspace),
    /// Open a terminal in your VM or in a workspace
    Terminal(TerminalArgs),
    /// Conversations with the Claude CLI in a workspace
    #[command(subcommand)]
    Session(SessionCommand),
    /// The pull request of a workspace
    #[command(subcommand)]
    Pr(PrCommand),
    /// The ratchet of a workspace, which keeps its pull request moving
    #[command(subcommand)]
    Ratchet(RatchetCommand),
    /// Talk with the Claude CLI in a workspace
    Chat(ChatArgs),
    /// Run the sessions of this machine for all other ff commands, until Ctrl-C
    Serve(ServeArgs),
    /// Print the completions of a shell, for its start-up file
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Take over what Factory Factory has: a backup, or its database
    Import(ImportArgs),
    /// Write everything on this machine as a backup that Factory Factory imports
    Export(ExportArgs),
}

#[cfg(test)]
mod tests;
