//! Worktrees: how they are made, kept apart, put away.
//!
//! All worktrees of a repository share its objects, so what one of them throws away is thrown
//! away for all. Two settings stand against that, see [`Git::guard_objects`]:
//!
//! - `extensions.preciousObjects`: git then deletes no object, neither by `gc` and `prune` nor by
//!   `repack -d` (gitrepository-layout(5), "extensions"). It holds for every git that works in any
//!   of the worktrees, whatever its options.
//! - each worktree is locked, so that `worktree prune` in another one does not forget it while its
//!   directory is out of reach: its `HEAD` and index hold objects, too.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Entry, Git};
use crate::error::Result;

/// A worktree as git lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    pub(crate) branch: Option<String>,
}

/// What a new worktree is to have checked out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CheckOut<'a> {
    /// A branch that there is.
    Branch(&'a str),
    /// A new branch from a commit.
    New { branch: &'a str, start: &'a str },
    /// A branch, set to a commit whatever it was.
    Reset { branch: &'a str, start: &'a str },
}

impl Git {
    /// Has git keep every object of a repository.
    pub(crate) async fn guard_objects(&self, repo: &Path) -> Result<()> {
        let key = "extensions.preciousObjects";
        self.command(repo)
            .args(["config", key, "true"])
            .done()
            .await
    }

    /// Makes a worktree that `worktree prune` leaves alone.
    pub(crate) async fn make_worktree(
        &self,
        repo: &Path,
        path: &Path,
        what: CheckOut<'_>,
    ) -> Result<()> {
        let reason = "a workspace of Factory Factory";
        let mut args = vec!["worktree", "add", "--quiet", "--lock", "--reason", reason];
        let path = path.to_string_lossy();
        match what {
            CheckOut::Branch(branch) => args.extend(["--", &path, branch]),
            CheckOut::New { branch, start } => {
                args.extend(["--no-track", "-b", branch, "--", &path, start]);
            }
            CheckOut::Reset { branch, start } => {
                args.extend(["--no-track", "-B", branch, "--", &path, start]);
            }
        }
        self.command(repo).durable().args(args).done().await
    }

    /// Makes a worktree on a branch without a commit, in a repository without one.
    pub(crate) async fn make_unborn_worktree(
        &self,
        repo: &Path,
        path: &Path,
        branch: &str,
    ) -> Result<()> {
        // `worktree add --orphan` came with git 2.42. Before, a worktree needs a commit.
        let tree = self
            .command(repo)
            .args(["hash-object", "-w", "-t", "tree", "/dev/null"])
            .text()
            .await?;
        let commit = self
            .command(repo)
            .config("user.name", "Factory Factory")
            .config("user.email", "factory-factory@localhost")
            .args(["commit-tree", "-m", "Nothing yet", &tree])
            .text()
            .await?;
        let path_text = path.to_string_lossy();
        let args = ["worktree", "add", "--quiet", "--lock", "--detach", "--"];
        self.command(repo)
            .args(args.into_iter().chain([&*path_text, &commit]))
            .done()
            .await?;
        let head = format!("refs/heads/{branch}");
        self.command(path)
            .args(["symbolic-ref", "HEAD", &head])
            .done()
            .await
    }

    /// Whether a repository has a commit on any branch, here or at the remote.
    pub(crate) async fn has_commits(&self, repo: &Path) -> Result<bool> {
        let args = ["for-each-ref", "--count=1", "refs/heads", "refs/remotes"];
        Ok(!self.command(repo).args(args).text().await?.is_empty())
    }

    /// Removes a worktree with what git remembers of it; fine when it is not there.
    pub async fn remove_worktree(&self, repo: &Path, path: &Path) -> Result<()> {
        let listed = self.worktrees(repo).await?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if listed.iter().any(|it| it.path == path || it.path == real) {
            // A second --force also removes one that is locked, as ours are.
            let args = ["worktree", "remove", "--force", "--force", "--"].map(std::ffi::OsStr::new);
            self.command(repo)
                .args(args.into_iter().chain([path.as_os_str()]))
                .done()
                .await?;
        }
        Ok(())
    }

    /// Moves a worktree to another place in the same file system, with all that is in it.
    pub(crate) async fn move_worktree(&self, repo: &Path, from: &Path, to: &Path) -> Result<()> {
        // A second --force also moves one that is locked, as ours are.
        let args = ["worktree", "move", "--force", "--force", "--"].map(std::ffi::OsStr::new);
        self.command(repo)
            .args(args.into_iter().chain([from.as_os_str(), to.as_os_str()]))
            .done()
            .await
    }

    /// Whether a worktree is on a branch, as far as its files tell: `false` is certain. Takes no
    /// process, so that many can be looked at (gitrepository-layout(5), "HEAD").
    pub(crate) fn may_be_on_a_branch(dir: &Path) -> bool {
        head_of(dir).is_none_or(|head| head.starts_with("ref: "))
    }

    /// A digest of what differs in a worktree from what is checked out: what `status` says, and size
    /// and time of each file it names, or is told to pass over. Equal digests: nobody has edited anything.
    pub(crate) async fn look(&self, dir: &Path) -> Result<String> {
        let args = ["status", "--porcelain=v2", "-z", "--untracked-files=all"];
        let output = self.command(dir).args(args).output().await?;
        let mut digest = Sha256::new();
        for field in output.stdout.split(|byte| *byte == 0) {
            digest.update(field);
            digest.update([0]);
            let skipped = match field.first() {
                Some(b'1') => 8,
                Some(b'2') => 9,
                Some(b'u') => 10,
                Some(b'?') => 1,
                _ => continue,
            };
            let name = field.splitn(skipped + 1, |byte| *byte == b' ').last();
            stat_into(&mut digest, dir, name.unwrap_or_default());
        }
        let index = self.index_entries(dir, None).await?;
        let is_hidden = |entry: &&Entry| entry.assume_unchanged || entry.skip_worktree;
        for entry in index.iter().filter(is_hidden) {
            stat_into(&mut digest, dir, &entry.path.0);
        }
        Ok(hex::encode(digest.finalize()))
    }

    /// The worktrees of a repository, its main one first.
    pub(crate) async fn worktrees(&self, repo: &Path) -> Result<Vec<Listed>> {
        let args = ["worktree", "list", "--porcelain", "-z"];
        let text = self.command(repo).args(args).text().await?;
        let mut all: Vec<Listed> = Vec::new();
        for line in text.split('\0') {
            if let Some(path) = line.strip_prefix("worktree ") {
                let path = PathBuf::from(path);
                all.push(Listed { path, branch: None });
            } else if let Some(branch) = line.strip_prefix("branch refs/heads/")
                && let Some(last) = all.last_mut()
            {
                last.branch = Some(branch.to_owned());
            }
        }
        Ok(all)
    }

    /// Fetches a branch of `origin`, if it can be had soon; `false` when it cannot.
    pub(crate) async fn fetch_branch(&self, repo: &Path, branch: &str) -> Result<bool> {
        let spec = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        let fetch = self
            .command(repo)
            .within(std::time::Duration::from_secs(60))
            .args(["fetch", "--quiet", "--no-tags", "origin", &spec]);
        match fetch.succeeds().await {
            Err(error) if error.code() == ff_protocol::ErrorCode::Timeout => Ok(false),
            fetched => fetched,
        }
    }

    /// Branches whose name stands in the way of a new one: itself, one it would lie in, or ones
    /// that lie in it.
    pub(crate) async fn in_the_way(&self, repo: &Path, name: &str) -> Result<bool> {
        let mut patterns = vec![format!("refs/heads/{name}")];
        let slashes = name.match_indices('/').map(|(at, _)| at);
        patterns.extend(slashes.map(|at| format!("refs/heads/{}", &name[..at])));
        let args = ["for-each-ref", "--format=%(refname)"];
        let args = args.into_iter().chain(patterns.iter().map(String::as_str));
        let found = self.command(repo).args(args).text().await?;
        let under = format!("{}/", patterns[0]);
        // A pattern also matches what lies below it; siblings below a parent are fine.
        Ok(found
            .lines()
            .any(|found| patterns.iter().any(|it| it == found) || found.starts_with(&under)))
    }

    /// Commits everything in a worktree, hooks aside; `false` when there is nothing to commit.
    /// Whatever `HEAD` is then is kept under a private ref.
    pub(crate) async fn commit_all(
        &self,
        dir: &Path,
        message: &str,
        private_ref: &str,
    ) -> Result<bool> {
        let dirty = !self.changes(dir).await?.is_empty();
        if dirty {
            self.command(dir).args(["add", "-A"]).done().await?;
            let mut commit = self.command(dir).durable();
            if self.identity(dir).await?.is_none() {
                commit = commit
                    .config("user.name", "Factory Factory")
                    .config("user.email", "factory-factory@localhost");
            }
            commit
                .config("commit.gpgSign", "false")
                .args(["commit", "--quiet", "--no-verify", "-m", message])
                .done()
                .await?;
        }
        if let Some(head) = self.commit(dir, "HEAD").await? {
            self.keep(dir, private_ref, &head).await?;
        }
        Ok(dirty)
    }

    /// The lock on a worktree's index, if there is one.
    pub(crate) async fn index_lock(&self, dir: &Path) -> Result<Option<PathBuf>> {
        let lock = self
            .command(dir)
            .args(["rev-parse", "--git-path", "index.lock"])
            .text()
            .await?;
        let lock = dir.join(lock);
        Ok(lock.exists().then_some(lock))
    }

    /// Whether a directory is the top of a checkout of this repository.
    pub(crate) async fn is_worktree_of(&self, dir: &Path, repo: &Path) -> Result<bool> {
        let common = async |dir: &Path| -> Result<Option<PathBuf>> {
            let args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
            let output = self.command(dir).args(args).output().await?;
            let text = String::from_utf8_lossy(&output.stdout);
            let path = PathBuf::from(text.trim_end_matches('\n'));
            Ok(output
                .ok
                .then(|| std::fs::canonicalize(&path).unwrap_or(path)))
        };
        let top = self.top_level(dir).await?;
        let here = std::fs::canonicalize(dir).ok();
        Ok(here.is_some() && top == here && common(dir).await? == common(repo).await?)
    }
}

/// Name of the commit or branch in `HEAD`, read from git's own files.
fn head_of(dir: &Path) -> Option<String> {
    let link = std::fs::read_to_string(dir.join(".git")).ok()?;
    let git_dir = link.trim_end().strip_prefix("gitdir: ")?;
    std::fs::read_to_string(dir.join(git_dir).join("HEAD")).ok()
}

/// Adds size and time of a file, if it is there.
fn stat_into(digest: &mut Sha256, dir: &Path, name: &[u8]) {
    let path = dir.join(std::ffi::OsStr::from_bytes(name));
    if let Ok(meta) = path.symlink_metadata() {
        let (size, at, nanos) = (meta.len(), meta.mtime(), meta.mtime_nsec());
        digest.update(format!("{size} {at} {nanos}"));
    }
}
