//! `ff session …`.

use clap::{ArgGroup, Args, Subcommand};

use super::{Permissions, WorkspaceArg};

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
