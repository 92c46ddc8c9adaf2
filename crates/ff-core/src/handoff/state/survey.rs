//! What is in a worktree, and whether it can move.

use ff_protocol::ErrorCode;

use super::operation::{self, GitFile};
use super::walk::{Ignored, LIMITS, Node, Tree, walk};
use super::{Checkout, shown};
use crate::error::{Error, Result};
use crate::git::{Entry, Name, SUBMODULE, Settings};
use crate::workspace::config;

/// At most this many paths are named to the user.
const NAMED: usize = 20;

/// A worktree as it was found.
pub(in crate::handoff) struct Survey {
    /// The branch it is on, or that is being rebased in it.
    pub(in crate::handoff) branch: String,
    /// What the user should know: what stays behind.
    pub(in crate::handoff) notes: Vec<String>,
    pub(super) settings: Settings,
    pub(super) scan: Scan,
}

/// What is on the disk.
pub(super) struct Scan {
    pub(super) head: String,
    pub(super) index: Vec<Entry>,
    pub(super) operation: Vec<GitFile>,
    pub(super) tree: Tree,
}

impl Checkout<'_> {
    /// Looks at everything in a worktree and reads no file of it.
    ///
    /// # Errors
    /// `conflict` for what cannot move, naming it; `too_large` beyond the limits.
    pub(in crate::handoff) async fn survey(&self) -> Result<Survey> {
        let scan = self.scan().await?;
        let branch = self.branch().await?.ok_or_else(|| {
            let detail = format!("{} is on no branch", shown(self.dir));
            refused(detail, "check out its branch first")
        })?;
        check_repositories(&scan)?;
        scan.tree.check(LIMITS)?;
        let (settings, mut notes) = self.git.settings(self.dir, &branch).await?;
        let stays = &scan.tree.stays;
        if !stays.is_empty() {
            let more = stays.len().saturating_sub(NAMED);
            let shown = |(name, is_dir): &(Name, bool)| {
                let slash = if *is_dir { "/" } else { "" };
                format!("{}{slash}", name.shown())
            };
            let mut named: Vec<_> = stays.iter().take(NAMED).map(shown).collect();
            if more > 0 {
                named.push(format!("{more} more"));
            }
            notes.push(format!(
                "ignored by git, so it stays here: {}",
                named.join(", ")
            ));
        }
        Ok(Survey {
            branch,
            notes,
            settings,
            scan,
        })
    }

    pub(super) async fn scan(&self) -> Result<Scan> {
        // First: without one there is no commit either.
        let git_dir = self.git.git_dir(self.dir).await?;
        let head = self.git.commit(self.dir, "HEAD").await?.ok_or_else(|| {
            let detail = format!("{} has no commit", shown(self.dir));
            refused(detail, "make a first commit")
        })?;
        Ok(Scan {
            operation: operation::read(&git_dir)?,
            head,
            index: self.git.index_entries(self.dir, None).await?,
            tree: self.tree().await?,
        })
    }

    /// What lies in the worktree and belongs to the workspace.
    pub(super) async fn tree(&self) -> Result<Tree> {
        let carried = config::carried(self.dir)?;
        let ignored = Ignored {
            paths: self.git.ignored(self.dir).await?.into_iter().collect(),
            carried: carried
                .iter()
                .map(|path| Name::from(path.as_path()))
                .collect(),
        };
        walk(self.dir, &ignored)
    }
}

/// Repositories within the worktree would have to bring their own history.
fn check_repositories(scan: &Scan) -> Result<()> {
    for (name, node) in &scan.tree.nodes {
        if *node != Node::Repository {
            continue;
        }
        let is_submodule = scan
            .index
            .iter()
            .any(|entry| entry.mode == SUBMODULE && entry.path == *name);
        let name = name.shown();
        return Err(if is_submodule {
            refused(
                format!("the submodule {name} is checked out, and cannot move"),
                &format!(
                    "push what was done in it, then run `git submodule deinit {name}`; `git submodule update --init` brings it back on either side"
                ),
            )
        } else {
            refused(
                format!("{name} is a repository of its own within the workspace, and cannot move"),
                "move it out of the workspace, or have git ignore it",
            )
        });
    }
    Ok(())
}

pub(super) fn refused(detail: String, hint: &str) -> Error {
    Error::refused(ErrorCode::Conflict, detail).hint(hint)
}
