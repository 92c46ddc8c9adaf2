//! Checkouts, branches and worktrees.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Git;
use crate::error::{IoContext, Result};

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

    /// Name of an operation that is half-way (`merge`, `rebase`, …), if any.
    pub async fn operation_in_progress(&self, dir: &Path) -> Result<Option<&'static str>> {
        let git_dir = self
            .command(dir)
            .args(["rev-parse", "--absolute-git-dir"])
            .text()
            .await?;
        let marks = [
            ("MERGE_HEAD", "merge"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("BISECT_LOG", "bisect"),
        ];
        let there = |(mark, _): &&(&str, &str)| Path::new(&git_dir).join(mark).exists();
        Ok(marks.iter().find(there).map(|(_, name)| *name))
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

    /// Makes a worktree at a commit, on no branch.
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
        let args = ["worktree", "add", "--lock", "--detach"].map(std::ffi::OsStr::new);
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
        let Some(head) = self.commit(dir, "HEAD").await? else {
            return Ok(());
        };
        // A checkout would refuse while a merge is half-way; this leaves index and files alone.
        self.command(dir)
            .durable()
            .args(["update-ref", "--no-deref", "HEAD", &head])
            .done()
            .await
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
    /// few seconds may belong to a git that still runs.
    pub async fn clear_stale_lock(&self, dir: &Path) -> Result<()> {
        let lock = self
            .command(dir)
            .args(["rev-parse", "--git-path", "index.lock"])
            .text()
            .await?;
        let lock = dir.join(lock);
        let age = std::fs::metadata(&lock)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > STALE_LOCK) {
            tracing::warn!(lock = %lock.display(), "a lock that a killed git left is removed");
            std::fs::remove_file(&lock).context(|| format!("cannot remove {}", lock.display()))?;
        }
        Ok(())
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

    /// Points a branch at a commit, whatever it pointed to, and checks it out.
    pub async fn check_out_at(&self, dir: &Path, branch: &str, commit: &str) -> Result<()> {
        self.command(dir)
            .durable()
            .args(["checkout", "--quiet", "-B", branch, commit])
            .done()
            .await
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

    /// Deletes a ref; fine when it is not there.
    pub async fn delete_ref(&self, dir: &Path, name: &str) -> Result<()> {
        self.command(dir)
            .args(["update-ref", "-d", name])
            .done()
            .await
    }

    /// Paths that a commit has and `HEAD` has not, but that lie in the worktree all the same:
    /// ignored files that a checkout would replace.
    pub async fn would_replace(&self, dir: &Path, commit: &str) -> Result<Vec<PathBuf>> {
        let args = [
            "diff",
            "--name-only",
            "--diff-filter=A",
            "--no-renames",
            "-z",
            "HEAD",
            commit,
        ];
        let output = self.command(dir).args(args).output().await?;
        let names = output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let paths = names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name)));
        Ok(paths
            .filter(|path| dir.join(path).symlink_metadata().is_ok())
            .collect())
    }

    /// Whether one commit is reachable from another.
    pub async fn is_ancestor(&self, dir: &Path, old: &str, new: &str) -> Result<bool> {
        self.command(dir)
            .args(["merge-base", "--is-ancestor", old, new])
            .succeeds()
            .await
    }
}
