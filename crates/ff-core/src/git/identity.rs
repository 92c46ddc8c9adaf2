//! Who commits.

use std::path::{Path, PathBuf};

use ff_protocol::vm::GitIdentity;

use super::Git;
use crate::error::Result;
use crate::tool;

const NAME: &str = "user.name";
const EMAIL: &str = "user.email";

/// The files in which git keeps a user's identity.
pub(crate) fn files(home: &Path) -> Vec<PathBuf> {
    vec![home.join(".gitconfig"), home.join(".config/git/config")]
}

/// What there is of an identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdentityParts {
    name: Option<String>,
    email: Option<String>,
}

impl IdentityParts {
    /// The keys that have no value.
    pub(crate) fn missing(&self) -> Vec<String> {
        let parts = [(NAME, &self.name), (EMAIL, &self.email)];
        let missing = parts.into_iter().filter(|(_, value)| value.is_none());
        missing.map(|(key, _)| key.to_owned()).collect()
    }

    /// The identity, if nothing is missing.
    pub(crate) fn whole(self) -> Option<GitIdentity> {
        let (name, email) = (self.name?, self.email?);
        Some(GitIdentity { name, email })
    }
}

impl Git {
    /// The version of git; `None` if it does not run.
    ///
    /// # Errors
    /// The system cannot start programs now.
    pub(crate) async fn version(&self, dir: &Path) -> Result<Option<String>> {
        let mut command = tokio::process::Command::new("git");
        command.env("HOME", &self.home).current_dir(dir);
        tool::version(command).await
    }

    /// What there is of the identity that commits made in this directory would carry.
    pub(crate) async fn identity_parts(&self, dir: &Path) -> Result<IdentityParts> {
        let get = async |key: &str| {
            let output = self.command(dir).args(["config", "--get", key]).output();
            let output = output.await?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Result::<_>::Ok((output.ok && !text.is_empty()).then_some(text))
        };
        Ok(IdentityParts {
            name: get(NAME).await?,
            email: get(EMAIL).await?,
        })
    }

    /// Identity that commits made in this directory would carry.
    pub async fn identity(&self, dir: &Path) -> Result<Option<GitIdentity>> {
        Ok(self.identity_parts(dir).await?.whole())
    }

    /// Sets the identity of commits made in this repository.
    pub async fn set_identity(&self, repo: &Path, identity: &GitIdentity) -> Result<()> {
        self.write_identity(repo, "--local", identity).await
    }

    /// Sets the identity of the user's commits wherever no repository has one of its own.
    pub(crate) async fn set_home_identity(
        &self,
        home: &Path,
        identity: &GitIdentity,
    ) -> Result<()> {
        self.write_identity(home, "--global", identity).await
    }

    async fn write_identity(&self, dir: &Path, scope: &str, identity: &GitIdentity) -> Result<()> {
        for (key, value) in [(NAME, &identity.name), (EMAIL, &identity.email)] {
            let set = self
                .command(dir)
                .args(["config", scope, key, value.as_str()]);
            set.done().await?;
        }
        Ok(())
    }
}
