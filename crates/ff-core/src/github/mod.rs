//! The one place that runs `gh`.

pub mod issue;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ff_protocol::vm::Login;
use tokio::process::Command;

use crate::error::{Error, Result};

/// `gh` gets this long to read its own files.
const LOCAL: Duration = Duration::from_secs(10);
/// And this long to ask the host.
const NETWORK: Duration = Duration::from_secs(15);

/// The login of `gh` on github.com. Holds no token: what `gh auth token` prints is discarded.
///
/// `gh auth status` cannot tell "no network" from "login no longer valid", so the local login
/// is asked for first, and the account's name by an API call whose refusal alone counts.
///
/// # Errors
/// `gh` cannot be run.
pub async fn login(home: &Path) -> Result<Login> {
    let token = ["auth", "token", "--hostname", "github.com"];
    // What it prints is the token: nobody reads it.
    let mut token = command(home, &token);
    token.stdout(Stdio::null());
    if !within(LOCAL, token.status())
        .await?
        .is_some_and(|status| status.success())
    {
        return Ok(Login::default());
    }
    let mut user = command(home, &["api", "user", "--jq", ".login"]);
    let Some(user) = within(NETWORK, user.output()).await? else {
        return Ok(Login {
            logged_in: true,
            ..Login::default()
        });
    };
    let refused = String::from_utf8_lossy(&user.stderr).contains("HTTP 401");
    let name = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let account = (user.status.success() && !name.is_empty()).then_some(name);
    Ok(Login {
        logged_in: !refused,
        account,
        login_required: None,
    })
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
