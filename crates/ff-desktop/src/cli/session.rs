//! `ff session …`.

use clap::{ArgGroup, Args, Subcommand};

use super::{Mode, Permissions, WorkspaceArg};

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Start a session with a first prompt
    #[command(after_help = LIMITS)]
    Start(StartArgs),
    /// Begin another session from what was said in one so far
    #[command(after_help = LIMITS)]
    Fork(ForkArgs),
    /// List the sessions of a workspace
    List(WorkspaceArg),
    /// Show a session with its messages
    Show(SessionArg),
    /// Send another prompt to a session
    Send(SendArgs),
    /// Let messages that wait go on, and show the turn
    Resume(ResumeArgs),
    /// Interrupt the running turn; the session lives on
    Interrupt(SessionArg),
    /// End the session's process and take back messages that wait; its next message starts it again
    Stop(SessionArg),
    /// Stop a session for good; what was said stays
    Close(SessionArg),
    /// Change the name, the model, or how much a session may do and think
    Configure(ConfigureArgs),
    /// Answer a permission request or a question
    Answer(AnswerArgs),
}

const LIMITS: &str = "At most 5 sessions of a workspace have a process at a time. One that idles for 10 minutes gives its place back, \
    `ff session stop` does at once; the conversation stays, and its next message starts a process again.\n\
    Without a terminal: exit code 6 when the session waits for a login, or for an answer from the cloud or `ff serve`.";

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

/// Arguments of `ff session fork`.
#[derive(Debug, Args)]
pub struct ForkArgs {
    /// Which session to go on from; it stays as it is.
    #[command(flatten)]
    pub session: SessionArg,
    /// The first prompt; `-` reads it from stdin; without one the new session waits
    #[arg(long, short)]
    pub prompt: Option<String>,
    /// Name of the new session
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

/// Arguments of `ff session resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which session.
    #[command(flatten)]
    pub session: SessionArg,
    /// Whether to stay until the turn ends.
    #[command(flatten)]
    pub stay: Stay,
}

/// Arguments of `ff session configure`.
#[derive(Debug, Args)]
#[command(group(
    ArgGroup::new("change")
        .required(true)
        .multiple(true)
        .args(["name", "model", "permissions", "mode", "thinking"])
))]
pub struct ConfigureArgs {
    /// Which session.
    #[command(flatten)]
    pub session: SessionArg,
    /// Name of the session
    #[arg(long)]
    pub name: Option<String>,
    /// Model, as the Claude CLI takes it
    #[arg(long)]
    pub model: Option<String>,
    /// How permission requests are met
    #[arg(long, value_enum)]
    pub permissions: Option<Permissions>,
    /// Permission mode of the Claude CLI
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// Most tokens the model may think with in a turn; 0 for none
    #[arg(long, value_name = "TOKENS")]
    pub thinking: Option<u32>,
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
    /// For a question: an offered label, as QUESTION=LABEL; again for the next question, or for a
    /// further label where several may be chosen
    #[arg(
        long = "choose",
        value_name = "QUESTION=LABEL",
        conflicts_with = "deny"
    )]
    pub choices: Vec<String>,
    /// For a question: a text of your own instead of a label, as QUESTION=TEXT
    #[arg(long, value_name = "QUESTION=TEXT", conflicts_with = "deny")]
    pub other: Vec<String>,
}
