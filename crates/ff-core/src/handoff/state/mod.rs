//! The working state of a workspace: what `git clone` does not bring.
//!
//! A [`Checkout`] is looked at ([`survey`](Checkout::survey)), captured into two parts of the
//! bundle (`state.json`, `files.tar`) and the objects in a third, built anew beside what is there
//! ([`Staging`]) and swapped in. Files travel as raw bytes: git never writes them here, so no
//! filter, hook or line-ending rule touches them. [`print`](Checkout::print) hashes all of it from
//! the disk, on both sides.

mod apply;
mod archive;
mod capture;
mod operation;
mod print;
mod reuse;
mod stage;
mod survey;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use ff_protocol::handoff::{Fingerprint, GitState};
use serde::{Deserialize, Serialize};

pub(super) use apply::Target;
pub(super) use stage::Staging;
pub(super) use survey::Survey;

use crate::error::{Error, Result};
use crate::git::{Git, IndexDelta, Name, Settings, Stash, is_object_id};
use operation::GitFile;

/// Name of the state among the parts.
pub(super) const STATE: &str = "state.json";
/// Name of the files among the parts.
pub(super) const FILES: &str = "files.tar";
/// Largest `state.json`, in bytes; it is held in memory.
pub(super) const LARGEST_STATE: u64 = 64 << 20;

/// A worktree of a workspace.
pub(super) struct Checkout<'a> {
    pub(super) git: &'a Git,
    pub(super) dir: &'a Path,
}

impl Checkout<'_> {
    /// Whether a worktree is what was captured.
    pub(super) async fn is_still(&self, git: &GitState, print: &Fingerprint) -> Result<bool> {
        let full_name = format!("refs/heads/{}", git.branch);
        let branch = self.git.commit(self.dir, &full_name).await?;
        if branch.as_ref() != Some(&git.head) {
            return Ok(false);
        }
        let all = self.git.stashes(self.dir).await?;
        let stashes = all.iter().filter(|it| it.is_of(&git.branch));
        Ok(stashes.map(|it| &it.id).eq(&print.stashes) && self.print().await? == print.state)
    }

    /// Puts what is half-way away in a copy that stays, so that its branch is free.
    pub(super) async fn park(&self) -> Result<()> {
        operation::park(&self.git.git_dir(self.dir).await?)
    }

    /// Puts it where git finds it again, now about `branch`.
    pub(super) async fn unpark(&self, branch: &str) -> Result<()> {
        operation::unpark(&self.git.git_dir(self.dir).await?, branch)
    }

    /// Removes what was put away.
    pub(super) async fn forget_parked(&self) -> Result<()> {
        operation::forget_parked(&self.git.git_dir(self.dir).await?)
    }

    /// Whether a branch is being rebased in it, also when that was put away.
    pub(super) async fn is_rebased(&self) -> Result<bool> {
        let files = operation::read_all(&self.git.git_dir(self.dir).await?)?;
        Ok(operation::rebased_branch(&files).is_some())
    }

    /// The branch that it is on, or that is being rebased in it.
    pub(super) async fn branch(&self) -> Result<Option<String>> {
        if let Some(branch) = self.git.current_branch(self.dir).await? {
            return Ok(Some(branch));
        }
        let git_dir = self.git.git_dir(self.dir).await?;
        Ok(operation::rebased_branch(&operation::read_all(&git_dir)?))
    }
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// The commit that the branch is at.
    pub(super) branch_commit: String,
    /// The commit that `HEAD` is at, when that is not the branch: in a rebase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detached: Option<String>,
    /// Every other commit that the state names.
    pub(super) commits: Vec<String>,
    index: IndexDelta,
    files: Exceptions,
    /// Stashes of the branch, the newest first.
    pub(super) stashes: Vec<Stash>,
    operation: Vec<GitFile>,
    pub(super) settings: Settings,
}

/// What the files are, where that does not follow from the index: an entry stands for a file with
/// its stored bytes, readable by all, unless it is named here or is in `files.tar`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Exceptions {
    /// Files with the stored bytes and other permissions.
    modes: BTreeMap<Name, u32>,
    /// Entries without a file.
    absent: Vec<Name>,
}

impl State {
    /// The commit that `HEAD` is at.
    pub(super) fn head(&self) -> &str {
        self.detached.as_deref().unwrap_or(&self.branch_commit)
    }

    /// The stashes' commits, the newest first.
    pub(super) fn stash_ids(&self) -> Vec<String> {
        self.stashes.iter().map(|stash| stash.id.clone()).collect()
    }

    /// All commits that must be here once the objects have arrived.
    pub(super) fn all_commits(&self) -> Vec<String> {
        let mut all = vec![self.branch_commit.clone(), self.head().to_owned()];
        all.extend(self.stashes.iter().map(|stash| stash.id.clone()));
        all.extend(self.commits.iter().cloned());
        all.sort();
        all.dedup();
        all
    }

    /// Reads the state of a bundle, which another machine made.
    ///
    /// # Errors
    /// `invalid`, with what is wrong.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .map_err(|error| Error::io(format!("cannot read {}", path.display()), error))?;
        let state: Self = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(&format!("it cannot be read: {error}")))?;
        state.check()?;
        Ok(state)
    }

    fn check(&self) -> Result<()> {
        if let Some(bad) = self.all_commits().iter().find(|id| !is_object_id(id)) {
            return Err(invalid(&format!("{bad:?} is no commit")));
        }
        for entry in self.index.entries.iter().chain(&self.index.resolved) {
            if !is_object_id(&entry.id) || entry.stage > 3 {
                return Err(invalid("its index has an entry without an id"));
            }
            inside(&entry.path)?;
        }
        let named = self.index.removed.iter().chain(&self.files.absent);
        named.chain(self.files.modes.keys()).try_for_each(inside)?;
        operation::check(&self.operation).map_err(|why| invalid(&why))
    }
}

/// Checks that a name from outside is a path in the worktree.
fn inside(name: &Name) -> Result<()> {
    if name.is_inside() {
        return Ok(());
    }
    Err(invalid(&format!("{} is no path in it", name.shown())))
}

fn invalid(why: &str) -> Error {
    let detail = format!("the bundle's working state cannot be followed: {why}");
    Error::refused(ErrorCode::Invalid, detail)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A path below a directory.
fn below(dir: &Path, name: &Name) -> PathBuf {
    dir.join(name.path())
}
