//! Whether the CLI is logged in.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ff_protocol::vm::Login;
use serde::Deserialize;
use tokio::process::Command;

use super::transcript;
use crate::error::{Error, Result};
use crate::tool;

const DEADLINE: Duration = Duration::from_secs(20);

/// Answer of `claude auth status` (2.1.330): JSON, no secrets, no network; exit code 1 when
/// logged out. It says yes to an expired login: only a turn shows that.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    logged_in: bool,
    email: Option<String>,
}

/// Where the CLI keeps its login, its account's name, and settings that may hold a key.
pub(crate) fn files(home: &Path) -> Vec<PathBuf> {
    let dir = transcript::config_dir_of(home);
    vec![
        dir.join(".credentials.json"),
        dir.join("settings.json"),
        dir.join(".claude.json"),
        home.join(".claude.json"),
    ]
}

/// The version of the CLI; `None` if it does not run.
///
/// # Errors
/// The system cannot start programs now.
pub(crate) async fn version(claude: &Path, home: &Path) -> Result<Option<String>> {
    let mut command = Command::new(claude);
    command.env("HOME", home).current_dir(home);
    tool::version(command).await
}

/// The login of the CLI. A CLI that takes too long or prints something else counts as logged
/// out.
///
/// # Errors
/// The CLI cannot be run.
pub(crate) async fn login(claude: &Path, home: &Path) -> Result<Login> {
    let run = Command::new(claude)
        .args(["auth", "status"])
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(DEADLINE, run).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => {
            return Err(Error::io(
                "cannot run the Claude CLI: is it installed?",
                source,
            ));
        }
        Err(_) => return Ok(Login::default()),
    };
    Ok(match serde_json::from_slice::<Status>(&output.stdout) {
        Ok(status) => Login {
            logged_in: status.logged_in,
            account: status.email,
            login_required: None,
        },
        Err(_) => Login::default(),
    })
}
