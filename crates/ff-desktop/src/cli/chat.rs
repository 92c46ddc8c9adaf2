//! `ff chat`.

use clap::Args;

use super::Permissions;

/// Arguments of `ff chat`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal: /help lists what can be said, /quit leaves. Ctrl-C interrupts the turn, a second one leaves; a backslash at the end \
    of a line continues it.\n\
    Without one: each line of stdin is a prompt, and what the CLI asks is refused unless --allow is given. The first turn \
    that does not complete ends it with exit code 1, and the lines after it are not sent; one that waits for a login with 6. /quit leaves there, too.\n\
    At most 5 sessions of a workspace have a process at a time; `ff session stop` frees a place."
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
