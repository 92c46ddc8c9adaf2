//! The user that `gh` is logged in as.

use std::sync::{Mutex, PoisonError};

use ff_protocol::vm::Login;
use tokio::time::Instant;

use super::failure::Cause;
use super::names::HOST;
use super::{GitHub, args};
use crate::error::Result;

/// Longest name that is taken for one, in bytes; GitHub's have 39 at most, and a suffix.
const LONGEST: usize = 100;

/// The name that was read last, and when.
#[derive(Debug, Default)]
pub(super) struct UserCache(Mutex<Option<(Instant, String)>>);

impl GitHub {
    /// The user's name on GitHub, as read within the last five minutes.
    ///
    /// # Errors
    /// `login_required`, `rate_limited`, `github_unavailable` and the others of this module.
    pub async fn user(&self) -> Result<String> {
        let kept = self.inner.limits.user_kept;
        let cache = &self.inner.user.0;
        let known = cache.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, name)) = known.filter(|(at, _)| at.elapsed() < kept) {
            return Ok(name);
        }
        let name = self.ask_user().await;
        let name = name.map_err(|cause| self.told(cause, "the GitHub user"))?;
        *cache.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), name.clone()));
        Ok(name)
    }

    /// The login of `gh`. Holds no token: what `gh auth token` prints is discarded.
    ///
    /// `gh auth status` cannot tell "no network" from "login no longer valid", so the local login
    /// is asked for first, and the account's name by an API call whose refusal alone counts.
    ///
    /// # Errors
    /// `gh` cannot be run.
    pub async fn login(&self) -> Result<Login> {
        let token = args(["auth", "token", "--hostname", HOST]);
        let limit = self.inner.limits.user;
        match self.inner.runner.succeeds(&token, limit).await {
            Ok(true) => {}
            Ok(false) | Err(Cause::TooLate(_)) => return Ok(Login::default()),
            Err(cause) => return Err(self.told(cause, "the login")),
        }
        let user = self.ask_user().await;
        Ok(Login {
            logged_in: !matches!(user, Err(Cause::LoginRefused | Cause::LoggedOut)),
            account: user.ok(),
            login_required: None,
        })
    }

    async fn ask_user(&self) -> Result<String, Cause> {
        let user = args(["api", "--hostname", HOST, "user", "--jq", ".login"]);
        let answer = self.read(user, self.inner.limits.user).await?;
        let name = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '[' | ']');
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
            return Err(Cause::Other("it named no user".to_owned()));
        }
        Ok(name)
    }
}
