//! What can be said of the cloud.

use clap::{Args, Subcommand};
use ff_protocol::vm::GitIdentity;

use crate::tty::detach::Key;

/// Commands on the cloud.
#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// Use this cloud server
    Connect {
        /// Address of the server, such as https://cloud.example.org or http://localhost:3000
        url: String,
        /// Your user id there; without it, made from your user name on this machine
        #[arg(long)]
        user: Option<String>,
    },
    /// Get your VM and log in to GitHub and Claude inside it
    Setup(SetupArgs),
    /// Show the server, your VM and its logins
    Status,
}

/// Arguments of `ff cloud setup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Leads through the logins one after the other, in terminals of your VM; what is done already is passed over, and it can be \
    left and begun again at any point.\n\
    Without a terminal, or with --json: gets the VM, says how far it is and what is next. Exit code 0: it is ready; 6: a login is missing."
)]
pub struct SetupArgs {
    /// user.name of git in the VM
    #[arg(long, value_name = "NAME", requires = "git_email")]
    pub git_name: Option<String>,
    /// user.email of git in the VM
    #[arg(long, value_name = "EMAIL", requires = "git_name", value_parser = address)]
    pub git_email: Option<String>,
    /// Key that detaches from a terminal: ctrl- and a letter or one of ] \ ^ _ @, or none
    #[arg(
        long,
        value_name = "KEY",
        env = "FF_DETACH_KEY",
        default_value = "ctrl-]"
    )]
    pub detach_key: Key,
}

fn address(text: &str) -> Result<String, &'static str> {
    match GitIdentity::is_address(text) {
        true => Ok(text.to_owned()),
        false => Err("an address is NAME@HOST"),
    }
}
