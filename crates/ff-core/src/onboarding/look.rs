//! One look at tools, logins and identity.

use std::path::PathBuf;

use ff_protocol::onboarding::{Onboarding, Tools};
use ff_protocol::vm::Login;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::next;
use crate::core::Core;
use crate::error::Result;
use crate::stamp::{self, Stamp};
use crate::{git, github, session, tool};

/// Hex digits of a version.
const VERSION: usize = 16;

/// Stamps of the files in which logins and identity are.
pub(super) type Stamps = Vec<Option<Stamp>>;

/// The files as they are now.
pub(super) fn stamps(core: &Core) -> Stamps {
    let home = &core.config().home;
    let files: [Vec<PathBuf>; 3] = [
        github::files(home),
        session::login::files(home),
        git::files(home),
    ];
    files.iter().flatten().map(|path| stamp::of(path)).collect()
}

/// Asks the tools for their versions.
async fn tools(core: &Core) -> Result<Tools> {
    let (home, claude) = (&core.config().home, &core.config().claude);
    let node = async {
        let mut node = Command::new("node");
        node.env("HOME", home).current_dir(home);
        tool::version(node).await
    };
    let (claude, gh, git, node) = tokio::try_join!(
        session::login::version(claude, home),
        core.github().version(),
        core.git().version(home),
        node,
    )?;
    Ok(Tools {
        claude,
        gh,
        git,
        node,
    })
}

/// Asks the tools who is logged in, and for their versions where those are not known. Reads no
/// credential.
pub(super) async fn look(core: &Core, known: Option<Tools>) -> Result<Onboarding> {
    let (home, claude) = (&core.config().home, &core.config().claude);
    let tools = match known {
        Some(tools) => tools,
        None => tools(core).await?,
    };
    let github_login = async {
        match tools.gh {
            Some(_) => core.github().login().await,
            None => Ok(github::Account::default()),
        }
    };
    let claude_login = async {
        match tools.claude {
            Some(_) => session::login::login(claude, home).await,
            None => Ok(Login::default()),
        }
    };
    let identity = async {
        match tools.git {
            Some(_) => core.git().identity_parts(home).await,
            None => Ok(git::IdentityParts::default()),
        }
    };
    let (account, claude_login, identity) = tokio::try_join!(github_login, claude_login, identity)?;
    let mut seen = Onboarding {
        github: account.login,
        claude: judged(core, claude_login).await,
        git_identity_missing: identity.missing(),
        git_identity: identity.whole(),
        tools,
        ..Onboarding::default()
    };
    if seen.git_identity.is_none() {
        seen.git_identity_proposed = account.identity;
    }
    if let Some((code, text)) = next::step(&seen) {
        (seen.next_step_code, seen.next_step) = (Some(code), Some(text));
    }
    seen.version = version(&seen);
    Ok(seen)
}

/// The CLI counts a login that the API refuses as one.
async fn judged(core: &Core, mut login: Login) -> Login {
    let account = core.sessions().account();
    if login.logged_in {
        account.login_found().await;
    }
    login.login_required = account.required();
    login.logged_in &= login.login_required.is_none();
    login
}

fn version(seen: &Onboarding) -> String {
    let all = serde_json::to_vec(seen).unwrap_or_default();
    let mut hex = hex::encode(Sha256::digest(all));
    hex.truncate(VERSION);
    hex
}
