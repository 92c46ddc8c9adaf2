//! The one place that runs `git`.

mod bundle;
mod clone;
mod command;
mod identity;
mod index;
mod name;
mod raw;
mod remote;
mod repo;
mod settings;
mod stash;
mod worktree;

use std::path::{Path, PathBuf};

pub(crate) use bundle::{Cargo, is_object_id};
pub(crate) use identity::{IdentityParts, files};
pub(crate) use index::{EXECUTABLE, Entry, IndexDelta, LINK, PLAIN, SUBMODULE};
pub(crate) use name::Name;
pub(crate) use raw::BlobFile;
pub use remote::{CleanRemote, Remote};
pub(crate) use settings::{Settings, Sparse};
pub(crate) use stash::Stash;
pub(crate) use worktree::CheckOut;

use command::GitCommand;

/// Runs `git` as the user whose home this is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Git {
    home: PathBuf,
}

impl Git {
    /// Git for the user with this home directory.
    pub fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
        }
    }

    fn command(&self, dir: &Path) -> GitCommand {
        GitCommand::new(&self.home, dir)
    }
}

#[cfg(test)]
mod tests;
