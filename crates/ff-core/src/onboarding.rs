//! What the user has still to do before workspaces can run here.

use ff_protocol::vm::Onboarding;

use crate::core::Core;
use crate::error::Result;
use crate::session;

impl Core {
    /// Asks `gh`, the CLI and git who is logged in. Reads no credential.
    ///
    /// # Errors
    /// One of the tools is not installed.
    pub async fn onboarding(&self) -> Result<Onboarding> {
        let home = &self.config().home;
        let (github, mut claude, git_identity) = tokio::try_join!(
            self.github().login(),
            session::login::login(&self.config().claude, home),
            self.git().identity(home),
        )?;
        let account = self.sessions().account();
        if claude.logged_in {
            account.login_found().await;
        }
        // The CLI counts a login that the API refuses as one.
        claude.login_required = account.required();
        claude.logged_in &= claude.login_required.is_none();
        let next_step = if !github.logged_in {
            Some("log in to GitHub: run `gh auth login` in the VM's terminal".to_owned())
        } else if !claude.logged_in {
            Some("log in to Claude: run `claude auth login` in the VM's terminal".to_owned())
        } else {
            None
        };
        Ok(Onboarding {
            github,
            claude,
            git_identity,
            next_step,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::config::{CoreConfig, Side};
    use crate::session::account::{LoggedOut, LoginState};

    #[tokio::test]
    async fn a_login_that_sessions_wait_for_is_no_login() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let claude = home.join("claude");
        fs::write(&claude, "#!/bin/sh\necho '{\"loggedIn\":true}'\n").unwrap();
        fs::set_permissions(&claude, fs::Permissions::from_mode(0o755)).unwrap();
        let (data, base) = (home.join("data"), home.join("base"));
        let mut config = CoreConfig::new(Side::Cloud, home.to_owned(), data, base);
        config.claude = claude;
        let core = Core::open(config).await.unwrap();
        let slot = core.sessions().account().slot().await;
        let shown = LoggedOut::in_text("Invalid bearer token").unwrap();
        core.sessions()
            .account()
            .logged_out(slot.login(), shown)
            .await;
        let mut status = core.sessions().account().status();
        let required = status.wait_for(|state| matches!(state, LoginState::Required(_)));
        let required = tokio::time::timeout(Duration::from_secs(30), required).await;
        drop(required.unwrap().unwrap());
        let claude = core.onboarding().await.unwrap().claude;
        assert!(!claude.logged_in);
        assert_eq!(claude.login_required, core.sessions().account().required());
        core.shutdown().await;
    }
}
