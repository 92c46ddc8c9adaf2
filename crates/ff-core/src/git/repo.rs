//! Checkouts, branches and worktrees.

use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use ff_protocol::vm::GitIdentity;

use super::{Git, Remote};
use crate::error::{Error, Result};

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

    /// Identity that commits made in this directory would carry.
    pub async fn identity(&self, dir: &Path) -> Result<Option<GitIdentity>> {
        let get = |key: &'static str| self.command(dir).args(["config", "--get", key]).output();
        let (name, email) = (get("user.name").await?, get("user.email").await?);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok((name.ok && email.ok).then(|| GitIdentity {
            name: text(name.stdout),
            email: text(email.stdout),
        }))
    }

    /// Sets the user's identity.
    pub async fn set_identity(&self, identity: &GitIdentity) -> Result<()> {
        for (key, value) in [
            ("user.name", &identity.name),
            ("user.email", &identity.email),
        ] {
            self.command(&self.home)
                .args(["config", "--global", key, value])
                .done()
                .await?;
        }
        Ok(())
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

    /// Clones a repository without a checkout, by HTTPS with the user's own `gh` login, which the
    /// clone then also uses for fetch and push.
    ///
    /// # Errors
    /// `login_required` when the host asks for a login, `clone_failed` with git's own words.
    pub async fn clone_with_login(&self, remote: &Remote, dir: &Path) -> Result<()> {
        let url = remote.https_url();
        let target = dir.as_os_str();
        let mut clone = self.command(&self.home).network();
        let helper = helper_key(remote);
        clone = clone.config(&helper, "").config(&helper, GH_HELPER);
        let args = ["clone", "--no-checkout", "--origin", "origin", "--", &url];
        let output = clone
            .args(args.map(std::ffi::OsStr::new).into_iter().chain([target]))
            .output()
            .await?;
        if !output.ok {
            return Err(remote_refusal(remote, &output.stderr));
        }
        for (flag, value) in [("--replace-all", ""), ("--add", GH_HELPER)] {
            self.command(dir)
                .args(["config", flag, &helper, value])
                .done()
                .await?;
        }
        Ok(())
    }

    /// Brings the remote's branches up to date, with the login the clone was made with.
    ///
    /// # Errors
    /// As [`Git::clone_with_login`].
    pub async fn fetch(&self, repo: &Path, remote: &Remote) -> Result<()> {
        let output = self
            .command(repo)
            .network()
            .args(["fetch", "--prune", "origin"])
            .output()
            .await?;
        if output.ok {
            Ok(())
        } else {
            Err(remote_refusal(remote, &output.stderr))
        }
    }

    /// Makes a worktree with a new branch.
    pub async fn add_worktree(
        &self,
        repo: &Path,
        path: &Path,
        branch: &str,
        start: &str,
    ) -> Result<()> {
        let path = path.as_os_str();
        let args = ["worktree", "add", "--no-track", "-b", branch].map(std::ffi::OsStr::new);
        self.command(repo)
            .args(args.into_iter().chain([path, start.as_ref()]))
            .done()
            .await
    }

    /// Makes a worktree at a commit, on no branch.
    pub async fn add_detached_worktree(
        &self,
        repo: &Path,
        path: &Path,
        commit: &str,
    ) -> Result<()> {
        let args = ["worktree", "add", "--detach"].map(std::ffi::OsStr::new);
        self.command(repo)
            .args(args.into_iter().chain([path.as_os_str(), commit.as_ref()]))
            .done()
            .await
    }

    /// Removes a worktree and what git remembers of it; fine when it is not there.
    pub async fn remove_worktree(&self, repo: &Path, path: &Path) -> Result<()> {
        let args = ["worktree", "remove", "--force"].map(std::ffi::OsStr::new);
        self.command(repo)
            .args(args.into_iter().chain([path.as_os_str()]))
            .output()
            .await?;
        self.command(repo).args(["worktree", "prune"]).done().await
    }

    /// The worktree that has a branch checked out, if any.
    pub async fn worktree_of_branch(&self, repo: &Path, branch: &str) -> Result<Option<PathBuf>> {
        let text = self
            .command(repo)
            .args(["worktree", "list", "--porcelain"])
            .text()
            .await?;
        let wanted = format!("branch refs/heads/{branch}");
        let mut path = None;
        for line in text.lines() {
            if let Some(at) = line.strip_prefix("worktree ") {
                path = Some(PathBuf::from(at));
            } else if line == wanted {
                return Ok(path);
            }
        }
        Ok(None)
    }

    /// Takes a worktree off its branch, so that the branch is free, and keeps the commit under a
    /// private ref.
    pub async fn detach(&self, dir: &Path, private_ref: &str) -> Result<()> {
        self.command(dir)
            .args(["update-ref", private_ref, "HEAD"])
            .done()
            .await?;
        self.command(dir)
            .args(["checkout", "--quiet", "--detach"])
            .done()
            .await
    }

    /// Points a branch at a commit, whatever it pointed to, and checks it out.
    pub async fn check_out_at(&self, dir: &Path, branch: &str, commit: &str) -> Result<()> {
        self.command(dir)
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

    /// Whether one commit is reachable from another.
    pub async fn is_ancestor(&self, dir: &Path, old: &str, new: &str) -> Result<bool> {
        self.command(dir)
            .args(["merge-base", "--is-ancestor", old, new])
            .succeeds()
            .await
    }
}

/// `gh` as git's credential helper, as `gh auth setup-git` writes it.
const GH_HELPER: &str = "!gh auth git-credential";

fn helper_key(remote: &Remote) -> String {
    format!("credential.https://{}.helper", remote.host)
}

/// Tells a missing login from everything else; the words are git's own (2.39).
fn remote_refusal(remote: &Remote, stderr: &str) -> Error {
    let asks_login = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "403",
    ];
    if asks_login.iter().any(|words| stderr.contains(words)) {
        let host = &remote.host;
        return Error::refused(
            ErrorCode::LoginRequired,
            format!(
                "the VM is not logged in to {host}, or that login may not read {}",
                remote.path
            ),
        )
        .hint(format!(
            "run `gh auth login --hostname {host}` in the VM's terminal: `ff terminal --vm`"
        ));
    }
    let said = stderr
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("git gave no reason");
    Error::refused(
        ErrorCode::CloneFailed,
        format!("the VM cannot read {}: {}", remote.https_url(), said.trim()),
    )
    .hint("check that the repository exists and that the VM can reach its host")
}
