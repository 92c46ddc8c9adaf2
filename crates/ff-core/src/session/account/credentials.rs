//! The CLI's credentials, of which only the expiry is read.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::session::transcript;
use crate::stamp::{self, Stamp};

/// Logins of MCP servers are in it too.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What the file says of the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expiry {
    /// Nothing: there is none, or the CLI logs in in another way.
    #[default]
    Unknown,
    /// The CLI has cleared it, because it could not be renewed.
    Ended,
    /// Unix time in milliseconds.
    At(i64),
}

/// The file, read again only when it has changed.
#[derive(Debug)]
pub(super) struct Credentials {
    path: PathBuf,
    stamp: Option<Stamp>,
    expiry: Expiry,
}

/// As the CLI 2.1.330 writes it. What is not named here is skipped while it is parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    claude_ai_oauth: Option<Oauth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oauth {
    expires_at: Option<i64>,
}

impl Credentials {
    pub(super) fn of(home: &Path) -> Self {
        Self {
            path: transcript::config_dir_of(home).join(".credentials.json"),
            stamp: None,
            expiry: Expiry::Unknown,
        }
    }

    /// Looks again. The CLI replaces the file as a whole, so a new one has another inode or time.
    pub(super) fn look(&mut self) -> Expiry {
        let stamp = stamp::of(&self.path);
        if stamp != self.stamp {
            self.stamp = stamp;
            self.expiry = self.read().unwrap_or_default();
        }
        self.expiry
    }

    fn read(&self) -> Option<Expiry> {
        let mut bytes = Vec::new();
        let file = fs::File::open(&self.path).ok()?;
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        let oauth = serde_json::from_slice::<File>(&bytes)
            .ok()?
            .claude_ai_oauth?;
        Some(match oauth.expires_at {
            None => Expiry::Unknown,
            Some(..=0) => Expiry::Ended,
            Some(at) => Expiry::At(at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, path).unwrap();
    }

    #[test]
    fn only_the_expiry_is_read_and_only_when_the_file_is_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".credentials.json");
        let mut credentials = Credentials {
            path: path.clone(),
            stamp: None,
            expiry: Expiry::Unknown,
        };
        assert_eq!(credentials.look(), Expiry::Unknown);
        for (text, expected) in [
            (
                r#"{"claudeAiOauth":{"accessToken":"a","refreshToken":"b","expiresAt":1700000000000,"scopes":[]}}"#,
                Expiry::At(1_700_000_000_000),
            ),
            (
                r#"{"claudeAiOauth":{"accessToken":"","refreshToken":"","expiresAt":0,"scopes":[]}}"#,
                Expiry::Ended,
            ),
            (r#"{"claudeAiOauth":{"accessToken":"a"}}"#, Expiry::Unknown),
            (r#"{"mcpOAuth":{}}"#, Expiry::Unknown),
            (r#"{"claudeAiOauth":{"expiresAt":17"#, Expiry::Unknown),
        ] {
            write(&path, text);
            assert_eq!(credentials.look(), expected, "{text}");
            let read = credentials.stamp;
            assert_eq!((credentials.look(), credentials.stamp), (expected, read));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(credentials.look(), Expiry::Unknown);
        assert!(!format!("{credentials:?}").contains("accessToken"));
    }
}
