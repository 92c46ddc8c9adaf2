//! `ff cloud …`.

use clap::Subcommand;

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
    Setup,
    /// Show the server, your VM and its logins
    Status,
}
