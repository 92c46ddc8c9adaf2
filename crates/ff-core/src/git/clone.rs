//! Clones of a VM: by HTTPS, with the login its user has in `gh`.

use std::ffi::OsStr;
use std::path::Path;

use ff_protocol::ErrorCode;

use super::{Git, Remote};
use crate::error::{Error, Result};

impl Git {
    /// Clones a repository without a checkout, by HTTPS with the user's own `gh` login, which the
    /// clone then also uses for fetch and push. Its `HEAD` is on no branch, so that every branch
    /// is free for a workspace.
    ///
    /// # Errors
    /// `login_required` when the host asks for a login, `clone_failed` with git's own words.
    pub async fn clone_with_login(&self, remote: &Remote, dir: &Path) -> Result<()> {
        let url = remote.url();
        let helper = helper_key(remote);
        let args = ["clone", "--no-checkout", "--origin", "origin", "--", &url].map(OsStr::new);
        let output = self
            .command(&self.home)
            .network()
            .config(&helper, "")
            .config(&helper, GH_ANSWERS)
            .args(args.into_iter().chain([dir.as_os_str()]))
            .output()
            .await?;
        if !output.ok {
            return Err(remote_refusal(remote, &output.stderr));
        }
        self.use_login(dir, remote).await?;
        match self.commit(dir, "HEAD").await? {
            Some(head) => {
                self.command(dir)
                    .args(["update-ref", "--no-deref", "HEAD", &head])
                    .done()
                    .await
            }
            None => Ok(()),
        }
    }

    /// Makes an empty repository for what comes whole in a bundle. Its `HEAD` is on a branch that
    /// nobody has, so that every other one is free for a workspace.
    pub(crate) async fn init_without_remote(&self, dir: &Path) -> Result<()> {
        let args = ["init", "--quiet", "--initial-branch=factory-factory/none"].map(OsStr::new);
        self.command(&self.home)
            .args(args.into_iter().chain([dir.as_os_str()]))
            .done()
            .await
    }

    /// Brings the branches of a clone up to date, from this address.
    ///
    /// # Errors
    /// As [`Git::clone_with_login`].
    pub async fn fetch(&self, repo: &Path, remote: &Remote) -> Result<()> {
        let url = remote.url();
        if self.remote_url(repo).await?.as_deref() != Some(&url) {
            self.command(repo)
                .args(["remote", "set-url", "origin", &url])
                .done()
                .await?;
            self.use_login(repo, remote).await?;
        }
        let helper = helper_key(remote);
        let fetch = self
            .command(repo)
            .network()
            .config(&helper, "")
            .config(&helper, GH_ANSWERS)
            .args(["fetch", "--prune", "origin"]);
        let output = fetch.output().await?;
        if output.ok {
            Ok(())
        } else {
            Err(remote_refusal(remote, &output.stderr))
        }
    }

    async fn use_login(&self, repo: &Path, remote: &Remote) -> Result<()> {
        let helper = helper_key(remote);
        for (flag, value) in [("--replace-all", ""), ("--add", GH_HELPER)] {
            self.command(repo)
                .args(["config", flag, &helper, value])
                .done()
                .await?;
        }
        Ok(())
    }
}

/// `gh` as git's credential helper, as `gh auth setup-git` writes it.
const GH_HELPER: &str = "!gh auth git-credential";

/// The same where only we run git: `gh` has nothing to do when git tells it that a login was right,
/// and would take a process for that.
const GH_ANSWERS: &str = "!f() { test \"$1\" != get || gh auth git-credential get; }; f";

fn helper_key(remote: &Remote) -> String {
    format!("credential.https://{}.helper", remote.host)
}

/// Tells a missing login from everything else; the words are git's own (2.39).
fn remote_refusal(remote: &Remote, stderr: &str) -> Error {
    let asks_login = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "error: 403",
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
        format!("the VM cannot read {}: {}", remote.url(), said.trim()),
    )
    .hint("check that the repository exists and that the VM can reach its host")
}
