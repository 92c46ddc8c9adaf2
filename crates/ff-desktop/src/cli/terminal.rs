//! What can be said of terminals.

use clap::{Args, Subcommand};

use crate::tty::detach::Key;

/// Arguments of `ff terminal`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "On a terminal: Ctrl-] detaches (--detach-key chooses another key); the shell goes on, and `--name` comes back to it, \
    with its screen. A connection that is lost comes back by itself.\n\
    Without one: stdin is typed into the shell, its output goes to stdout; at the end of stdin the shell is told so \
    (Ctrl-D). Ends with the shell's exit code."
)]
pub struct TerminalArgs {
    /// What to do instead of opening one.
    #[command(subcommand)]
    pub command: Option<TerminalCommand>,
    /// Where it is.
    #[command(flatten)]
    pub place: Option<TerminalPlaceArgs>,
    /// Name of the terminal: goes back to the one with this name, or opens it
    #[arg(long)]
    pub name: Option<String>,
    /// Only look: nothing is typed, and the size of the window does not matter
    #[arg(long, requires = "name")]
    pub read_only: bool,
    /// Key that detaches: ctrl- and a letter or one of ] \ ^ _ @, or none
    #[arg(
        long,
        value_name = "KEY",
        env = "FF_DETACH_KEY",
        default_value = "ctrl-]"
    )]
    pub detach_key: Key,
}

/// Where terminals are: in a workspace, or in the VM's home.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct TerminalPlaceArgs {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: Option<String>,
    /// The home directory of your VM
    #[arg(long)]
    pub vm: bool,
}

/// Commands on terminals.
#[derive(Debug, Subcommand)]
pub enum TerminalCommand {
    /// List terminals; without a place those of the VM, of all workspaces in it, and of `ff serve`
    List(ListTerminals),
    /// End a terminal with everything that runs in it
    Close(OneTerminal),
    /// Give a terminal another name
    Rename(RenameTerminalArgs),
}

/// Arguments of `ff terminal list`.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub struct ListTerminals {
    /// Workspace: id, beginning of an id (4 characters or more), or name
    pub workspace: Option<String>,
    /// The home directory of your VM
    #[arg(long)]
    pub vm: bool,
}

impl ListTerminals {
    /// The place, if one is named.
    pub fn place(&self) -> Option<TerminalPlaceArgs> {
        let named = self.vm || self.workspace.is_some();
        named.then(|| TerminalPlaceArgs {
            workspace: self.workspace.clone(),
            vm: self.vm,
        })
    }
}

/// One terminal by its name.
#[derive(Debug, Args)]
pub struct OneTerminal {
    /// Where it is.
    #[command(flatten)]
    pub place: TerminalPlaceArgs,
    /// Name or id of the terminal
    #[arg(long)]
    pub name: String,
}

/// Arguments of `ff terminal rename`.
#[derive(Debug, Args)]
pub struct RenameTerminalArgs {
    /// Which one.
    #[command(flatten)]
    pub terminal: OneTerminal,
    /// Its new name
    #[arg(long)]
    pub to: String,
}

impl TerminalArgs {
    /// The workspace that is named, if one is.
    pub fn workspace(&self) -> Option<&String> {
        match &self.command {
            None => self.place.as_ref()?.workspace.as_ref(),
            Some(TerminalCommand::List(args)) => args.workspace.as_ref(),
            Some(TerminalCommand::Close(args)) => args.place.workspace.as_ref(),
            Some(TerminalCommand::Rename(args)) => args.terminal.place.workspace.as_ref(),
        }
    }
}
