//! `ff import` and `ff export`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

const IMPORTING: &str =
    "What is here already and not older stays as it is, so it may be done again.
All or nothing: when it fails, nothing was changed.
Exit codes:
  0  done (the notes say what was left out)
  1  failed
  2  not a backup of version 4, or not a database of Factory Factory 0.4.6
  3  no such file
  4  the database is locked, or goes on being written to; a backup is too large";

/// Arguments of `ff import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORTING)]
#[command(group(ArgGroup::new("source").required(true).args(["file", "from_database"])))]
pub struct ImportArgs {
    /// A backup that Factory Factory made (version 4); `-` reads it from stdin
    pub file: Option<PathBuf>,
    /// The database of Factory Factory itself, which may be running; it is only read
    #[arg(long, value_name = "PATH")]
    pub from_database: Option<PathBuf>,
}

/// Arguments of `ff export`.
#[derive(Debug, Args)]
#[command(after_help = "Factory Factory imports it under Settings. Exit codes:
  0  done
  1  failed
  4  the file is there already and --force was not given, or its directory is not there")]
pub struct ExportArgs {
    /// Where to write it; without it, or `-`, stdout
    pub file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    pub force: bool,
}
