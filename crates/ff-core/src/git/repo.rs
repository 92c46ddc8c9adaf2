//! Checkouts, branches and worktrees.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ff_protocol::ErrorCode;

use super::{Git, Name};
use crate::error::{Error, IoContext, Result};
use crate::processes;

/// An index lock is given up after this long.
const STALE_LOCK: Duration = Duration::from_secs(10);

impl Git {
    /// Top directory of the checkout that holds this path; `None` when there is none.
    pub async fn top_level(&self, path: &Path) -> Result<Option<PathBuf>> {
        let output = self
            .command(path)
            .args(["rev-parse", "--show-toplevel"])
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(output
            .ok
            .then(|| PathBuf::from(text.trim_end_matches('\n'))))
    }

    /// Whether a path lies in a repository without a checkout.
    pub async fn is_bare(&self, path: &Path) -> Result<bool> {
        let output = self
            .command(path)
            .args(["rev-parse", "--is-bare-repository"])
            .output()
            .await?;
        Ok(output.ok && output.stdout.starts_with(b"true"))
    }

    /// The branch that new work starts from: what `origin/HEAD` names, else the branch checked
    /// out, else `main`.
    pub async fn default_branch(&self, repo: &Path) -> Result<String> {
        let origin = [
            "symbolic-ref",
            "--quiet",
            "--short",
            "refs/remotes/origin/HEAD",
        ];
        if let Ok(name) = self.command(repo).args(origin).text().await
            && let Some(name) = name.strip_prefix("origin/")
        {
            return Ok(name.to_owned());
        }
        Ok(self
            .current_branch(repo)
            .await?
            .unwrap_or_else(|| "main".to_owned()))
    }

    /// The branch checked out; `None` when `HEAD` is detached.
    pub async fn current_branch(&self, dir: &Path) -> Result<Option<String>> {
        let output = self
            .command(dir)
            .args(["symbolic-ref", "--quiet", "--short", "HEAD"])
            .output();
        let output = output.await?;
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.ok && !name.is_empty()).then_some(name))
    }

    /// Address of the remote: `origin`, else the first one there is.
    pub async fn remote_url(&self, repo: &Path) -> Result<Option<String>> {
        let names = self.command(repo).args(["remote"]).text().await?;
        let name = names
            .lines()
            .find(|name| *name == "origin")
            .or(names.lines().next());
        match name {
            Some(name) => Ok(Some(
                self.command(repo)
                    .args(["remote", "get-url", name])
                    .text()
                    .await?,
            )),
            None => Ok(None),
        }
    }

    /// The commit that a revision names; `None` when it names none.
    pub async fn commit(&self, dir: &Path, revision: &str) -> Result<Option<String>> {
        let spec = format!("{revision}^{{commit}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &spec,
        ];
        let output = self.command(dir).args(args).output().await?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.ok && !id.is_empty()).then_some(id))
    }

    /// The tree of a commit.
    pub async fn tree(&self, dir: &Path, commit: &str) -> Result<String> {
        let spec = format!("{commit}^{{tree}}");
        self.command(dir)
            .args(["rev-parse", "--verify", "--end-of-options", &spec])
            .text()
            .await
    }

    /// What `git status` reports, one line a path; empty when the tree is clean.
    pub async fn changes(&self, dir: &Path) -> Result<Vec<String>> {
        let args = ["status", "--porcelain", "--untracked-files=normal"];
        let text = self.command(dir).args(args).text().await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Whether branches or stashes have commits that no remote has.
    pub(crate) async fn has_own_commits(&self, repo: &Path) -> Result<bool> {
        let args = [
            "rev-list",
            "--max-count=1",
            "--branches",
            "--glob=refs/stash",
        ];
        let command = self.command(repo).args(args).args(["--not", "--remotes"]);
        Ok(!command.text().await?.trim().is_empty())
    }

    /// Git's own directory of a worktree.
    pub(crate) async fn git_dir(&self, dir: &Path) -> Result<PathBuf> {
        self.path_of(dir, &["rev-parse", "--absolute-git-dir"])
            .await
    }

    /// Where git keeps a file of a worktree, such as `info/sparse-checkout`.
    pub(crate) async fn git_path(&self, dir: &Path, name: &str) -> Result<PathBuf> {
        let args = ["rev-parse", "--path-format=absolute", "--git-path", name];
        self.path_of(dir, &args).await
    }

    async fn path_of(&self, dir: &Path, args: &[&str]) -> Result<PathBuf> {
        let mut path = self.command(dir).args(args).bytes().await?;
        if path.last() == Some(&b'\n') {
            path.pop();
        }
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&path)))
    }

    /// Paths that git passes over in a worktree: files, and directories of which it passes over
    /// everything, without the slash at the end.
    pub(crate) async fn ignored(&self, dir: &Path) -> Result<Vec<Name>> {
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard"];
        let text = self.command(dir).args(args).args(["--directory", "-z"]);
        let text = text.bytes().await?;
        let names = text.split(|b| *b == 0).filter(|name| !name.is_empty());
        let plain = |name: &[u8]| Name(name.strip_suffix(b"/").unwrap_or(name).to_vec());
        Ok(names.map(plain).collect())
    }

    /// Puts a worktree on a commit and, if given, on a branch at another one, index and files
    /// aside.
    pub(crate) async fn point(
        &self,
        dir: &Path,
        branch: &str,
        branch_commit: &str,
        detached: Option<&str>,
    ) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        self.keep(dir, &name, branch_commit).await?;
        match detached {
            None => {
                let args = ["symbolic-ref", "HEAD", &name];
                self.command(dir).durable().args(args).done().await
            }
            Some(commit) => self.set_detached(dir, commit).await,
        }
    }

    async fn set_detached(&self, dir: &Path, commit: &str) -> Result<()> {
        let args = ["update-ref", "--no-deref", "HEAD", commit];
        self.command(dir).durable().args(args).done().await
    }

    /// Upstream of a branch, such as `origin/main`.
    pub async fn upstream(&self, dir: &Path, branch: &str) -> Result<Option<String>> {
        let spec = format!("refs/heads/{branch}");
        let args = ["for-each-ref", "--format=%(upstream:short)", &spec];
        let name = self.command(dir).args(args).text().await?;
        Ok((!name.is_empty()).then_some(name))
    }

    /// Whether the text may name a branch. Shorthands such as `@{-1}` are none.
    pub async fn is_branch_name(&self, name: &str) -> Result<bool> {
        if name.starts_with('-') || name == "HEAD" {
            return Ok(false);
        }
        let full = format!("refs/heads/{name}");
        self.command(&self.home)
            .args(["check-ref-format", &full])
            .succeeds()
            .await
    }

    /// Makes a worktree at a commit, on no branch and without files.
    pub async fn add_detached_worktree(
        &self,
        repo: &Path,
        path: &Path,
        commit: &str,
    ) -> Result<()> {
        if !path.exists() {
            // Forget a directory that was deleted by hand.
            self.remove_worktree(repo, path).await?;
        }
        let args =
            ["worktree", "add", "--lock", "--detach", "--no-checkout"].map(std::ffi::OsStr::new);
        self.command(repo)
            .args(args.into_iter().chain([path.as_os_str(), commit.as_ref()]))
            .done()
            .await
    }

    /// The worktree that has a branch checked out, if any.
    pub async fn worktree_of_branch(&self, repo: &Path, branch: &str) -> Result<Option<PathBuf>> {
        let all = self.worktrees(repo).await?;
        let holder = all
            .into_iter()
            .find(|it| it.branch.as_deref() == Some(branch));
        Ok(holder.map(|it| it.path))
    }

    /// Takes a worktree off its branch, so that the branch is free, and keeps a commit under a
    /// private ref.
    pub async fn detach(&self, dir: &Path, private_ref: &str, commit: &str) -> Result<()> {
        self.keep(dir, private_ref, commit).await?;
        // `checkout --detach` refuses in the middle of a merge.
        match self.commit(dir, "HEAD").await? {
            Some(head) => self.set_detached(dir, &head).await,
            None => Ok(()),
        }
    }

    /// Puts a worktree on a branch, which then points to what is checked out there: the opposite
    /// of [`Git::detach`]. Index and files stay as they are.
    pub async fn attach(&self, dir: &Path, branch: &str) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        if let Some(head) = self.commit(dir, "HEAD").await? {
            self.keep(dir, &name, &head).await?;
        }
        self.command(dir)
            .args(["symbolic-ref", "HEAD", &name])
            .done()
            .await
    }

    /// Removes the index lock that a killed git left in a worktree. One that is younger than a
    /// few seconds may belong to a git that still runs, and one of any age does while a git works
    /// in the worktree: it may wait for its editor, with the lock in place but not open.
    ///
    /// # Errors
    /// `git_index_locked` for such a one.
    pub async fn clear_stale_lock(&self, dir: &Path) -> Result<()> {
        let lock = self.git_path(dir, "index.lock").await?;
        let Ok(meta) = std::fs::metadata(&lock) else {
            return Ok(());
        };
        let age = meta.modified().ok().and_then(|at| at.elapsed().ok());
        if age.is_none_or(|age| age <= STALE_LOCK) || processes::works_in("git", dir) {
            let detail = format!("another git is at work in {}", dir.display());
            return Err(Error::refused(ErrorCode::GitIndexLocked, detail)
                .hint("wait for it, then run the same command again"));
        }
        tracing::warn!(lock = %lock.display(), "a lock that a killed git left is removed");
        std::fs::remove_file(&lock).context(|| format!("cannot remove {}", lock.display()))
    }

    /// Whether another branch, here or at the remote, holds a commit.
    pub async fn is_on_another_branch(
        &self,
        repo: &Path,
        commit: &str,
        branch: &str,
    ) -> Result<bool> {
        let args = [
            "for-each-ref",
            "--format=%(refname)",
            "--contains",
            commit,
            "refs/heads",
            "refs/remotes",
        ];
        let holders = self.command(repo).args(args).text().await?;
        let own = format!("refs/heads/{branch}");
        Ok(holders.lines().any(|name| name != own))
    }

    /// Sets a branch's upstream to `origin/NAME`, where the remote branch is known here.
    pub async fn set_upstream(&self, dir: &Path, branch: &str, upstream: &str) -> Result<()> {
        if self
            .commit(dir, &format!("refs/remotes/{upstream}"))
            .await?
            .is_none()
        {
            return Ok(());
        }
        let upstream = format!("--set-upstream-to={upstream}");
        self.command(dir)
            .args(["branch", "--quiet", &upstream, branch])
            .done()
            .await
    }

    /// Whether one commit is reachable from another.
    pub async fn is_ancestor(&self, dir: &Path, old: &str, new: &str) -> Result<bool> {
        self.command(dir)
            .args(["merge-base", "--is-ancestor", old, new])
            .succeeds()
            .await
    }
}
