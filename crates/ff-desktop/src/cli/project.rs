//! `ff project …`.

use std::path::PathBuf;

use clap::Subcommand;

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
