//! Stashes, of which a repository has one list for all its worktrees.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Git, Name};
use crate::error::Result;

/// A stash: its commit and the message it has in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stash {
    pub(crate) id: String,
    pub(crate) message: Name,
}

impl Stash {
    /// Whether it was made on this branch, by what `git stash` writes.
    pub(crate) fn is_of(&self, branch: &str) -> bool {
        let made = |start: &str| {
            let start = format!("{start} {branch}: ");
            self.message.0.starts_with(start.as_bytes())
        };
        made("WIP on") || made("On")
    }
}

impl Git {
    /// All stashes of a repository, the newest first.
    pub(crate) async fn stashes(&self, repo: &Path) -> Result<Vec<Stash>> {
        let is_there = ["rev-parse", "--verify", "--quiet", "refs/stash"];
        if !self.command(repo).args(is_there).succeeds().await? {
            return Ok(Vec::new());
        }
        let text = self
            .command(repo)
            .config("log.showSignature", "false")
            .args(["log", "--walk-reflogs", "--format=%H %gs", "-z"])
            .args(["refs/stash", "--"])
            .bytes()
            .await?;
        let lines = text.split(|b| *b == 0).filter(|line| !line.is_empty());
        let stash = |line: &[u8]| {
            let end = line.iter().position(|b| *b == b' ')?;
            Some(Stash {
                id: String::from_utf8_lossy(&line[..end]).into_owned(),
                message: Name(line[end + 1..].to_vec()),
            })
        };
        Ok(lines.filter_map(stash).collect())
    }

    /// Makes `wanted` the stashes that a repository has of those in `wanted` and `known`, whose
    /// ids are given: those of other branches, and those made since, stay.
    pub(crate) async fn set_stashes(
        &self,
        repo: &Path,
        wanted: &[Stash],
        known: &[String],
    ) -> Result<()> {
        let is_ours = |it: &Stash| wanted.contains(it) || known.contains(&it.id);
        let mut there = self.stashes(repo).await?;
        let ours: Vec<&Stash> = there.iter().filter(|it| is_ours(it)).collect();
        if ours.into_iter().eq(wanted) {
            return Ok(());
        }
        while let Some(at) = there.iter().position(is_ours) {
            let name = format!("stash@{{{at}}}");
            let args = ["stash", "drop", "--quiet", &name];
            self.command(repo).durable().args(args).done().await?;
            there = self.stashes(repo).await?;
        }
        for stash in wanted.iter().rev() {
            let message = OsStr::from_bytes(&stash.message.0);
            let args = ["stash", "store", "--quiet", "-m"].map(OsStr::new);
            let args = args.into_iter().chain([message, stash.id.as_ref()]);
            self.command(repo).durable().args(args).done().await?;
        }
        Ok(())
    }
}
