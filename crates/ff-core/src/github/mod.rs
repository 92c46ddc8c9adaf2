//! The one place that runs `gh`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ff_protocol::vm::{GitIdentity, Login};
use serde::Deserialize;
use tokio::process::Command;

use crate::error::{Error, Result};
use crate::tool;

/// `gh` gets this long to read its own files.
const LOCAL: Duration = Duration::from_secs(10);
/// And this long to ask the host.
const NETWORK: Duration = Duration::from_secs(15);

/// Where `gh` keeps its logins.
pub(crate) fn files(home: &Path) -> Vec<PathBuf> {
    let configured = std::env::var_os("GH_CONFIG_DIR").filter(|dir| !dir.is_empty());
    let dir = configured.map_or_else(|| home.join(".config/gh"), PathBuf::from);
    vec![dir.join("hosts.yml")]
}

/// The version of `gh`; `None` if it does not run.
///
/// # Errors
/// The system cannot start programs now.
pub(crate) async fn version(home: &Path) -> Result<Option<String>> {
    tool::version(command(home, &[])).await
}

/// Who is logged in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// The login.
    pub(crate) login: Login,
    /// The git identity that goes with it.
    pub(crate) identity: Option<GitIdentity>,
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

/// The login of `gh` on github.com. Holds no token: what `gh auth token` prints is discarded.
///
/// `gh auth status` cannot tell "no network" from "login no longer valid", so the local login
/// is asked for first, and the account's name by an API call whose refusal alone counts.
///
/// # Errors
/// `gh` cannot be run.
pub(crate) async fn login(home: &Path) -> Result<Account> {
    let token = ["auth", "token", "--hostname", "github.com"];
    // What it prints is the token: nobody reads it.
    let mut token = command(home, &token);
    token.stdout(Stdio::null());
    if !within(LOCAL, token.status())
        .await?
        .is_some_and(|status| status.success())
    {
        return Ok(Account::default());
    }
    let mut user = command(home, &["api", "user"]);
    let Some(user) = within(NETWORK, user.output()).await? else {
        return Ok(account(true, None));
    };
    let refused = String::from_utf8_lossy(&user.stderr).contains("HTTP 401");
    let known = user.status.success().then_some(user.stdout);
    let known = known.and_then(|json| serde_json::from_slice::<User>(&json).ok());
    Ok(account(!refused, known))
}

fn account(logged_in: bool, user: Option<User>) -> Account {
    Account {
        identity: user.as_ref().map(User::identity),
        login: Login {
            logged_in,
            account: user.map(|user| user.login),
            login_required: None,
        },
    }
}

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("gh");
    command
        .args(args)
        .env("HOME", home)
        .env("GH_PROMPT_DISABLED", "1")
        .env("NO_COLOR", "1")
        .current_dir(home)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Waits for `gh`; `None` when it took too long.
async fn within<T>(
    deadline: Duration,
    run: impl Future<Output = std::io::Result<T>>,
) -> Result<Option<T>> {
    match tokio::time::timeout(deadline, run).await {
        Ok(Ok(outcome)) => Ok(Some(outcome)),
        Ok(Err(source)) => Err(Error::io("cannot run gh: is it installed?", source)),
        Err(_) => Ok(None),
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
