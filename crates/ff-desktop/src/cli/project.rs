//! `ff project …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Commands on projects.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Make a git repository known
    Add {
        /// Path of the repository
        path: PathBuf,
        /// What runs in its new workspaces.
        #[command(flatten)]
        startup: Startup,
    },
    /// List the projects
    List,
    /// Change what runs in the new workspaces of a project
    Set {
        /// Project: id, beginning of an id (4 characters or more), or name
        project: String,
        /// What runs in its new workspaces.
        #[command(flatten)]
        startup: Startup,
        /// Run nothing but the set-up script of factory-factory.json
        #[arg(long, conflicts_with_all = ["startup_command", "startup_script"])]
        no_startup: bool,
    },
}

/// What runs in each new workspace, after the set-up script of factory-factory.json.
#[derive(Debug, Default, Args)]
pub struct Startup {
    /// A command that runs in each new workspace
    #[arg(long, value_name = "COMMAND", conflicts_with = "startup_script")]
    pub startup_command: Option<String>,
    /// A script file that runs in each new workspace, relative to the top of the checkout
    #[arg(long, value_name = "PATH")]
    pub startup_script: Option<String>,
    /// Seconds that each script of a new workspace gets (300)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub startup_timeout: Option<u32>,
}
