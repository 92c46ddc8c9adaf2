//! `ff terminal`.

use clap::{ArgGroup, Args};

/// Arguments of `ff terminal`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal: Ctrl-] detaches; the shell goes on, and `--name` comes back to it.\n\
    Without one: stdin is typed into the shell, its output goes to stdout; at the end of stdin the shell is told so \
    (Ctrl-D). Ends with the shell's exit code."
)]
#[command(group(ArgGroup::new("place").required(true).args(["workspace", "vm"])))]
pub struct TerminalArgs {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: Option<String>,
    /// A terminal in the home directory of your VM
    #[arg(long)]
    pub vm: bool,
    /// Name of the terminal: goes back to the one with this name, or opens it
    #[arg(long)]
    pub name: Option<String>,
}
