use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A login as the CLI keeps it. Never shows a token.
#[derive(Clone)]
pub struct Credentials {
    access: String,
    refresh: String,
    expires_at: u64,
}

impl Credentials {
    pub(super) fn new(access: String, refresh: String, expires: SystemTime) -> Self {
        let since = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            access,
            refresh,
            expires_at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The token that the API is shown.
    pub fn access_token(&self) -> &str {
        &self.access
    }

    /// Puts it where the CLI of this home finds it, in one step, as `claude auth login` does.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, home: &Path) -> Result<()> {
        let path = file(home);
        let dir = path.parent().context("the file has a directory")?;
        fs::create_dir_all(dir)?;
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let oauth = json!({
            "accessToken": self.access,
            "refreshToken": self.refresh,
            "expiresAt": self.expires_at,
            "scopes": ["user:inference", "user:profile", "user:sessions:claude_code"],
            "subscriptionType": "max",
            "rateLimitTier": "default_claude_max_5x",
        });
        let text = json!({ "claudeAiOauth": oauth }).to_string();
        options.open(&new)?.write_all(text.as_bytes())?;
        Ok(fs::rename(new, path)?)
    }

    /// When the login in this home expires, in milliseconds of Unix time; 0 is one that the CLI
    /// has cleared. `None` without any.
    pub fn expiry_in(home: &Path) -> Option<u64> {
        let text = fs::read_to_string(file(home)).ok()?;
        let all: Value = serde_json::from_str(&text).ok()?;
        all["claudeAiOauth"]["expiresAt"].as_u64()
    }
}

fn file(home: &Path) -> PathBuf {
    home.join(".claude/.credentials.json")
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
