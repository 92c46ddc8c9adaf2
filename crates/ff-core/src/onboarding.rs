//! What the user has still to do before workspaces can run here.

use ff_protocol::vm::Onboarding;

use crate::core::Core;
use crate::error::Result;
use crate::{github, session};

impl Core {
    /// Asks `gh`, the CLI and git who is logged in. Reads no credential.
    ///
    /// # Errors
    /// One of the tools is not installed.
    pub async fn onboarding(&self) -> Result<Onboarding> {
        let home = &self.config().home;
        let (github, mut claude, git_identity) = tokio::try_join!(
            github::login(home),
            session::login::login(&self.config().claude, home),
            self.git().identity(home),
        )?;
        if claude.logged_in {
            self.account().login_found().await;
        }
        // The CLI counts a login that the API refuses as one.
        claude.login_required = self.account().required();
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
