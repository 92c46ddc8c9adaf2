//! The user that `gh` is logged in as.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ff_protocol::vm::{GitIdentity, Login};
use serde::Deserialize;
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

/// Who is logged in.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The login.
    pub login: Login,
    /// The git identity that goes with it.
    pub identity: Option<GitIdentity>,
}

/// `GET /user` of GitHub's API.
#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
    name: Option<String>,
    email: Option<String>,
}

impl User {
    /// Without a public address that which GitHub gives an account that shows none.
    fn identity(&self) -> GitIdentity {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let hidden = || format!("{}+{}@users.noreply.github.com", self.id, self.login);
        GitIdentity {
            name: given(&self.name).unwrap_or_else(|| self.login.clone()),
            email: given(&self.email).unwrap_or_else(hidden),
        }
    }
}

/// Where `gh` keeps its logins.
pub(crate) fn files(home: &Path) -> Vec<PathBuf> {
    let configured = std::env::var_os("GH_CONFIG_DIR").filter(|dir| !dir.is_empty());
    let dir = configured.map_or_else(|| home.join(".config/gh"), PathBuf::from);
    vec![dir.join("hosts.yml")]
}

impl GitHub {
    /// The version of `gh`; `None` if it does not run.
    ///
    /// # Errors
    /// The system cannot start programs now.
    pub(crate) async fn version(&self) -> Result<Option<String>> {
        self.inner.runner.version().await
    }

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
        let user = self.ask_user().await;
        let name = user
            .map_err(|cause| self.told(cause, "the GitHub user"))?
            .login;
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
    pub async fn login(&self) -> Result<Account> {
        let token = args(["auth", "token", "--hostname", HOST]);
        let limit = self.inner.limits.user;
        match self.inner.runner.succeeds(&token, limit).await {
            Ok(true) => {}
            Ok(false) | Err(Cause::TooLate(_)) => return Ok(Account::default()),
            Err(cause) => return Err(self.told(cause, "the login")),
        }
        let user = self.ask_user().await;
        let logged_in = !matches!(user, Err(Cause::LoginRefused | Cause::LoggedOut));
        let user = user.ok();
        Ok(Account {
            identity: user.as_ref().map(User::identity),
            login: Login {
                logged_in,
                account: user.map(|user| user.login),
                login_required: None,
            },
        })
    }

    async fn ask_user(&self) -> Result<User, Cause> {
        let user = args(["api", "--hostname", HOST, "user"]);
        let answer = self.read(user, self.inner.limits.user).await?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '[' | ']');
        let fits = |name: &str| (1..=LONGEST).contains(&name.len()) && name.chars().all(plain);
        serde_json::from_slice(&answer.stdout)
            .ok()
            .filter(|user: &User| fits(&user.login))
            .ok_or_else(|| Cause::Other("it named no user".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::User;

    #[test]
    fn the_identity_is_the_accounts_own_or_what_github_gives_it() {
        let of = |json: &str| {
            let identity = serde_json::from_str::<User>(json).unwrap().identity();
            format!("{} <{}>", identity.name, identity.email)
        };
        let full = r#"{"login": "octo", "id": 7, "name": "Octo Cat", "email": "o@c.example"}"#;
        assert_eq!(of(full), "Octo Cat <o@c.example>");
        let bare = r#"{"login": "octo", "id": 7, "name": null, "email": ""}"#;
        assert_eq!(of(bare), "octo <7+octo@users.noreply.github.com>");
    }
}
