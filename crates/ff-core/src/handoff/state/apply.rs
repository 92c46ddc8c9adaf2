//! What was built is swapped into the worktree. Every step may be repeated after a crash.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::stage::{Listing, read_json, sync_all, write_json};
use super::survey::refused;
use super::walk::{Node, Tree, is_in};
use super::{Checkout, Staging, State, below, operation};
use crate::error::{IoContext, Result};
use crate::git::Name;
use crate::handoff::fault::{Point, reach};

/// At most this many paths are named in a refusal.
const NAMED: usize = 5;

/// Where a state goes.
pub(in crate::handoff) struct Target<'a> {
    pub(in crate::handoff) checkout: Checkout<'a>,
    pub(in crate::handoff) repo: &'a Path,
    pub(in crate::handoff) branch: &'a str,
    /// Whether the repository is the user's own, not one made for workspaces.
    pub(in crate::handoff) is_users_own: bool,
    /// Stashes that left from here with the workspace.
    pub(in crate::handoff) left_with: &'a [String],
}

impl Staging {
    fn plan_file(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    /// Whether swapping has begun: what lies in the worktree is partly new from then on.
    pub(in crate::handoff) fn is_applying(&self) -> bool {
        self.is_built() && self.plan_file().is_file()
    }

    /// Checks that nothing which git passes over in a worktree is in the way.
    ///
    /// # Errors
    /// `conflict`, naming what is.
    pub(in crate::handoff) async fn check_place(&self, at: &Checkout<'_>) -> Result<()> {
        self.plan(at).await.map(drop)
    }

    /// Swaps what was built into a worktree.
    ///
    /// # Errors
    /// As [`check_place`](Self::check_place), before anything is changed.
    pub(in crate::handoff) async fn apply(&self, to: &Target<'_>, state: &State) -> Result<()> {
        let Checkout { git, dir } = to.checkout;
        if !self.is_applying() {
            let plan = self.plan(&to.checkout).await?;
            write_json(&self.plan_file(), &plan)?;
        }
        reach(Point::Planned);
        // Only now: a worktree without its files would look as if they had been deleted.
        make_worktree(to, state).await?;
        let listing = self.listing()?;
        clear(dir, &read_json::<Vec<Name>>(&self.plan_file())?)?;
        reach(Point::Cleared);
        self.move_in(dir, &listing)?;
        reach(Point::MovedIn);
        let git_dir = git.git_dir(dir).await?;
        if self.index().exists() {
            let index = git_dir.join("index");
            std::fs::rename(self.index(), &index)
                .context(|| format!("cannot write {}", index.display()))?;
        }
        git.point(
            dir,
            to.branch,
            &state.branch_commit,
            state.detached.as_deref(),
        )
        .await?;
        reach(Point::Pointed);
        operation::replace(&git_dir, &state.operation)?;
        git.apply_settings(dir, to.branch, &state.settings, to.is_users_own)
            .await?;
        git.set_stashes(to.repo, &state.stashes, to.left_with)
            .await?;
        sync_all(dir)?;
        sync_all(&git_dir)
    }

    /// What has to go from a worktree first.
    async fn plan(&self, at: &Checkout<'_>) -> Result<Vec<Name>> {
        if !at.dir.exists() {
            return Ok(Vec::new());
        }
        let old = at.tree().await?;
        let listing = self.listing()?;
        let in_the_way = in_the_way(at.dir, &old, &listing)?;
        if let Some(first) = in_the_way.first() {
            let named: Vec<_> = in_the_way.iter().take(NAMED).map(Name::shown).collect();
            let detail = format!(
                "{} ignored file(s) in {} would be replaced: {}",
                in_the_way.len(),
                at.dir.display(),
                named.join(", ")
            );
            let hint = format!("move them out of the way, {} first", first.shown());
            return Err(refused(detail, &hint));
        }
        let is_dir = |node: &Node| matches!(node, Node::Dir { .. });
        let stays = |name: &Name, node: &Node| {
            let new = listing.get(name);
            new.is_some_and(|new| is_dir(new) == is_dir(node))
        };
        let goes = old.nodes.iter().filter(|(name, node)| !stays(name, node));
        Ok(goes.map(|(name, _)| name.clone()).collect())
    }

    fn move_in(&self, dir: &Path, listing: &Listing) -> Result<()> {
        for (name, node) in listing {
            if let Node::Dir { .. } = node {
                let path = below(dir, name);
                match std::fs::create_dir(&path) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => made.context(|| format!("cannot make {}", path.display()))?,
                }
                set_mode(&path, 0o755)?;
            }
        }
        let files = self.files();
        for (name, node) in self.left()?.nodes {
            if !matches!(node, Node::Dir { .. }) {
                let path = below(dir, &name);
                std::fs::rename(below(&files, &name), &path)
                    .context(|| format!("cannot write {}", path.display()))?;
                reach(Point::MovingIn);
            }
        }
        for (name, node) in listing.iter().rev() {
            if let Node::Dir { mode } = node {
                set_mode(&below(dir, name), *mode)?;
            }
        }
        Ok(())
    }
}

async fn make_worktree(to: &Target<'_>, state: &State) -> Result<()> {
    let Checkout { git, dir } = to.checkout;
    if dir.exists() {
        if git.is_worktree_of(dir, to.repo).await? {
            return Ok(());
        }
        // A git that was killed while it made one left no more than this.
        std::fs::remove_dir(dir).context(|| format!("{} is no worktree", dir.display()))?;
    }
    git.add_detached_worktree(to.repo, dir, state.head()).await
}

/// Paths of the listing where something lies that is not of the workspace.
fn in_the_way(dir: &Path, old: &Tree, listing: &Listing) -> Result<Vec<Name>> {
    let mut found = Vec::new();
    for (name, node) in listing {
        let is_new_dir = matches!(node, Node::Dir { .. });
        let path = below(dir, name);
        let there = match std::fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            // Below a file, which is old or found as such itself.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => return Err(error).context(|| format!("cannot read {}", path.display())),
        };
        let keeps = |(it, _): &&(Name, bool)| is_in(it, name);
        if !old.nodes.contains_key(name) {
            if !(is_new_dir && there.is_dir()) {
                found.push(name.clone());
            }
        } else if !is_new_dir && there.is_dir() {
            found.extend(old.stays.iter().filter(keeps).map(|(it, _)| it.clone()));
        }
    }
    Ok(found)
}

/// Removes paths, deepest first. A directory that still holds something stays.
fn clear(dir: &Path, names: &[Name]) -> Result<()> {
    let names = names.iter().rev().map(|name| below(dir, name));
    for path in names {
        let what = || format!("cannot remove {}", path.display());
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let parent = path.parent().unwrap_or(dir);
        set_mode(
            parent,
            std::fs::metadata(parent)
                .context(what)?
                .permissions()
                .mode()
                | 0o700,
        )?;
        if meta.is_dir() {
            match std::fs::remove_dir(&path) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                removed => removed.context(what)?,
            }
        } else {
            std::fs::remove_file(&path).context(what)?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode & 0o777))
        .context(|| format!("cannot write {}", path.display()))
}
