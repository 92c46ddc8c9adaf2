use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;

const SETTINGS: [(&str, &str); 3] = [
    ("http.receivepack", "true"),
    ("uploadpack.allowFilter", "true"),
    ("uploadpack.allowAnySHA1InWant", "true"),
];

/// The bare repositories, as `<root>/<owner>/<name>.git`.
pub(super) struct Repositories {
    root: PathBuf,
    _owned: Option<TempDir>,
}

impl Repositories {
    pub(super) fn at(root: Option<PathBuf>) -> Result<Self> {
        if let Some(root) = root {
            std::fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
            return Ok(Self {
                root: root.canonicalize()?,
                _owned: None,
            });
        }
        let owned = TempDir::with_prefix("ff-testkit-github-")?;
        Ok(Self {
            root: owned.path().canonicalize()?,
            _owned: Some(owned),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the repository is, when the names are valid and it exists.
    pub(super) fn find(&self, owner: &str, name: &str) -> Option<PathBuf> {
        let path = self.path(owner, name)?;
        path.join("HEAD").is_file().then_some(path)
    }

    pub(super) async fn create(&self, owner: &str, name: &str) -> Result<PathBuf> {
        let Some(path) = self.path(owner, name) else {
            bail!("not a repository name: {owner}/{name}");
        };
        if path.exists() {
            bail!("the repository {owner}/{name} exists");
        }
        let init = [
            OsStr::new("init"),
            "--quiet".as_ref(),
            "--bare".as_ref(),
            "--initial-branch=main".as_ref(),
        ];
        git(init.into_iter().chain([path.as_os_str()])).await?;
        for (key, value) in SETTINGS {
            git([
                "-C".as_ref(),
                path.as_os_str(),
                "config".as_ref(),
                key.as_ref(),
                value.as_ref(),
            ])
            .await?;
        }
        Ok(path)
    }

    /// The commit a branch points to.
    pub(super) async fn branch_head(
        &self,
        owner: &str,
        name: &str,
        branch: &str,
    ) -> Option<String> {
        let path = self.find(owner, name)?;
        let reference = format!("refs/heads/{branch}");
        let show = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &reference,
        ]
        .map(OsStr::new);
        git([OsStr::new("-C"), path.as_os_str()].into_iter().chain(show))
            .await
            .ok()
    }

    fn path(&self, owner: &str, name: &str) -> Option<PathBuf> {
        (is_name(owner) && is_name(name)).then(|| self.root.join(owner).join(format!("{name}.git")))
    }
}

/// Runs git without the caller's configuration and returns its output.
async fn git<'a>(args: impl IntoIterator<Item = &'a OsStr>) -> Result<String> {
    let output = Command::new("git")
        .args(args)
        .env_remove("GIT_DIR")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("run git")?;
    if !output.status.success() {
        bail!(
            "git failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The directory of git's own programs.
pub(super) async fn git_exec_path() -> Result<PathBuf> {
    Ok(git([OsStr::new("--exec-path")]).await?.into())
}

/// Whether this is one plain path component that GitHub would take as an owner's or repository's name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= 100
        && name.chars().all(plain)
        && !name.starts_with(['.', '-'])
        && !name.ends_with(".git")
        && !name.contains("..")
}
