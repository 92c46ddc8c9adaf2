//! Which cloud this installation uses: one small file in the user's configuration directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ff_protocol::UserId;
use serde::{Deserialize, Serialize};

use crate::files;

/// The cloud and the user there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cloud {
    /// Address of the server, without a slash at its end.
    pub url: String,
    /// The user there.
    pub user_id: UserId,
}

/// The settings file, `config.json`.
#[derive(Debug, Clone)]
pub struct Settings {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cloud: Option<Cloud>,
}

impl Settings {
    /// The settings in this directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join("config.json"),
        }
    }

    /// The cloud in use, if one was ever connected.
    ///
    /// # Errors
    /// The file cannot be read or is not what we wrote.
    pub fn cloud(&self) -> anyhow::Result<Option<Cloud>> {
        let text = files::read_if_there(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        let Some(text) = text else {
            return Ok(None);
        };
        let content: Content = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a settings file", self.path.display()))?;
        Ok(content.cloud)
    }

    /// Writes the cloud to use; the file is its user's alone and never half-written.
    ///
    /// # Errors
    /// The directory or file cannot be written.
    pub fn set_cloud(&self, cloud: Cloud) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&Content { cloud: Some(cloud) })?;
        files::write_private(&self.path, &text)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// A user id made from a name of the operating system: lower case, `-` for what ids may not hold.
pub fn user_id_from(name: &str) -> Option<UserId> {
    let fitted: String = name
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    fitted.trim_matches('-').parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::in_dir(&dir.path().join("ff"));
        assert_eq!(settings.cloud().unwrap(), None);
        let cloud = Cloud {
            url: "http://localhost:3000".into(),
            user_id: "me".parse().unwrap(),
        };
        settings.set_cloud(cloud.clone()).unwrap();
        assert_eq!(settings.cloud().unwrap(), Some(cloud));
        let mode = std::fs::metadata(&settings.path)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn foreign_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::in_dir(dir.path());
        std::fs::write(&settings.path, "not json").unwrap();
        let error = settings.cloud().unwrap_err();
        assert!(format!("{error:#}").contains("config.json"), "{error:#}");
    }

    #[test]
    fn user_names_fit_the_rule_for_ids() {
        for (name, id) in [
            ("anna", "anna"),
            ("Anna.Maria", "anna-maria"),
            ("_svc_", "svc"),
            ("x@y", "x-y"),
        ] {
            assert_eq!(user_id_from(name).unwrap().as_str(), id);
        }
        assert_eq!(user_id_from("___"), None);
    }
}
