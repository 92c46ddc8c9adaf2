//! The command line: what can be said, and its help.

mod cloud;
mod terminal;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use ff_protocol::session::PermissionPreset;

pub use self::cloud::{CloudCommand, SetupArgs};
pub use self::terminal::{
    ListTerminals, OneTerminal, RenameTerminalArgs, TerminalArgs, TerminalCommand,
    TerminalPlaceArgs,
};

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
    Send(WorkspaceArg),
    /// Move a workspace from your VM to this machine
    Pull(WorkspaceArg),
    /// Open a terminal in your VM or in a workspace
    Terminal(TerminalArgs),
    /// Conversations with the Claude CLI in a workspace
    #[command(subcommand)]
    Session(SessionCommand),
    /// Talk with the Claude CLI in a workspace
    Chat(ChatArgs),
    /// Run the sessions of this machine for all other ff commands, until Ctrl-C
    Serve(ServeArgs),
}

/// Commands on projects.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Make a git repository known
    Add {
        /// Path of the repository
        path: PathBuf,
    },
    /// List the projects
    List,
}

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

/// Arguments of `ff chat`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal: /help lists what can be said. Ctrl-C interrupts the turn, a second one leaves; a backslash at the end \
    of a line continues it.\n\
    Without one: each line of stdin is a prompt, and what the CLI asks is refused unless --allow is given."
)]
pub struct ChatArgs {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
    /// Session: id, beginning of an id (4 characters or more), or name; without it the one used last
    #[arg(long, short)]
    pub session: Option<String>,
    /// Begin another conversation
    #[arg(long, conflicts_with = "session")]
    pub new: bool,
    /// Model, as the Claude CLI takes it
    #[arg(long)]
    pub model: Option<String>,
    /// How permission requests are met
    #[arg(long, value_enum)]
    pub permissions: Option<Permissions>,
    /// Where nobody can be asked: let tools run and plans be carried out
    #[arg(long, conflicts_with = "deny")]
    pub allow: bool,
    /// Where nobody can be asked: refuse (the default)
    #[arg(long)]
    pub deny: bool,
}

/// Arguments of `ff serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Start a session with a first prompt
    Start(StartArgs),
    /// List the sessions of a workspace
    List(WorkspaceArg),
    /// Show a session with its messages
    Show(SessionArg),
    /// Send another prompt to a session
    Send(SendArgs),
    /// Interrupt the running turn; the session lives on
    Interrupt(SessionArg),
    /// End the session's process
    Stop(SessionArg),
    /// Answer a permission request or a question
    Answer(AnswerArgs),
}

/// One session.
#[derive(Debug, Args)]
pub struct SessionArg {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
    /// Session: id, beginning of an id (4 characters or more), or name
    pub session: String,
}

/// Arguments of `ff session start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: String,
    /// The prompt; `-` reads it from stdin
    #[arg(long, short)]
    pub prompt: String,
    /// Name of the session
    #[arg(long)]
    pub name: Option<String>,
    /// Model, as the Claude CLI takes it
    #[arg(long)]
    pub model: Option<String>,
    /// How permission requests are met
    #[arg(long, value_enum)]
    pub permissions: Option<Permissions>,
    /// Whether to stay until the turn ends.
    #[command(flatten)]
    pub stay: Stay,
}

/// Arguments of `ff session send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Which session.
    #[command(flatten)]
    pub session: SessionArg,
    /// The prompt; `-` reads it from stdin
    #[arg(long, short)]
    pub prompt: String,
    /// Whether to stay until the turn ends.
    #[command(flatten)]
    pub stay: Stay,
}

/// Whether to stay until the turn ends.
#[derive(Debug, Args)]
pub struct Stay {
    /// Show the answer as it comes, until the turn ends (the default)
    #[arg(long, conflicts_with = "detach")]
    pub follow: bool,
    /// Return at once; for a workspace in the cloud, or under `ff serve`
    #[arg(long)]
    pub detach: bool,
}

/// Arguments of `ff session answer`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("verdict").required(true).args(["allow", "deny"])))]
pub struct AnswerArgs {
    /// Which session.
    #[command(flatten)]
    pub session: SessionArg,
    /// The request, as the session shows it
    pub request: String,
    /// Let the tool run, or answer the question
    #[arg(long)]
    pub allow: bool,
    /// Refuse it
    #[arg(long)]
    pub deny: bool,
    /// Reason of a refusal; the model reads it
    #[arg(long, conflicts_with = "allow")]
    pub message: Option<String>,
    /// For a question: the chosen label, as QUESTION=LABEL
    #[arg(
        long = "choose",
        value_name = "QUESTION=LABEL",
        conflicts_with = "deny"
    )]
    pub choices: Vec<String>,
}

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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn contradictions_are_usage_errors() {
        for line in [
            "ff terminal",
            "ff terminal w --vm",
            "ff terminal --vm --read-only",
            "ff terminal --vm --detach-key ctrl-m",
            "ff terminal list w --vm",
            "ff terminal close --name x",
            "ff terminal close --vm",
            "ff terminal rename --vm --name x",
            "ff cloud setup --git-name me",
            "ff session start w",
            "ff session start w --prompt x --follow --detach",
            "ff session answer w s r",
            "ff session answer w s r --allow --deny",
            "ff session answer w s r --allow --message no",
            "ff chat",
            "ff chat w --session s --new",
            "ff chat w --allow --deny",
            "ff serve --port 70000",
        ] {
            assert!(
                Cli::try_parse_from(line.split(' ')).is_err(),
                "`{line}` was accepted"
            );
        }
    }

    #[test]
    fn every_sensible_combination_is_understood() {
        for line in [
            "ff terminal --vm --name x",
            "ff terminal w",
            "ff terminal w --name x",
            "ff terminal --vm --name x --read-only --detach-key ctrl-b",
            "ff terminal list",
            "ff terminal list w",
            "ff terminal list --vm",
            "ff terminal close w --name x",
            "ff terminal rename --vm --name x --to y",
            "ff cloud setup",
            "ff cloud setup --git-name me --git-email me@example.test --detach-key none",
            "ff workspace new x -p app -b main",
            "ff cloud connect http://localhost:3000 --user me",
            "ff session start w --prompt x --name n --model m --permissions strict --follow",
            "ff session send w s --prompt - --detach",
            "ff session answer w s r --allow --choose Which?=red --choose Why?=so",
            "ff session answer w s r --deny --message no",
            "ff chat w",
            "ff chat w --new --model m --permissions strict --deny",
            "ff chat w --session s --allow --json",
            "ff serve --port 4242",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "`{line}`: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn json_stands_anywhere() {
        for line in ["ff --json workspace list", "ff workspace list --json"] {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap().json);
        }
    }
}
