//! The side that holds a workspace, as far as its pull request goes.

use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::{AttachPullRequest, PullRequestStatus, SwitchRatchet};

use super::host::Host;

impl Host<'_> {
    /// What is known of the workspace's pull request and ratchet.
    ///
    /// # Errors
    /// It cannot be read; the VM may sleep.
    pub async fn pull_request(&self, workspace: &WorkspaceId) -> anyhow::Result<PullRequestStatus> {
        Ok(match self {
            Self::Here(context) => context.core().await?.pull_request_status(workspace).await?,
            Self::Engine(engine, _) => engine.pull_request(workspace).await?,
        })
    }

    /// Has the pull request read from GitHub now, or looked for.
    ///
    /// # Errors
    /// GitHub does not tell, or the workspace cannot be acted on now.
    pub async fn sync_pull_request(
        &self,
        workspace: &WorkspaceId,
    ) -> anyhow::Result<PullRequestStatus> {
        Ok(match self {
            Self::Here(context) => context.core().await?.pull_request_sync(workspace).await?,
            Self::Engine(engine, _) => engine.sync_pull_request(workspace).await?,
        })
    }

    /// Gives the workspace a pull request.
    ///
    /// # Errors
    /// There is no such pull request, or as [`Self::sync_pull_request`].
    pub async fn attach_pull_request(
        &self,
        workspace: &WorkspaceId,
        pull_request: String,
    ) -> anyhow::Result<PullRequestStatus> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.core().await?;
                core.pull_request_attach(workspace, &pull_request).await?
            }
            Self::Engine(engine, _) => {
                let attach = AttachPullRequest { pull_request };
                engine.attach_pull_request(workspace, &attach).await?
            }
        })
    }

    /// Switches the ratchet on or off.
    ///
    /// # Errors
    /// The workspace cannot be acted on now.
    pub async fn switch_ratchet(
        &self,
        workspace: &WorkspaceId,
        enabled: bool,
    ) -> anyhow::Result<PullRequestStatus> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.core().await?;
                core.ratchet_switch(workspace, enabled).await?
            }
            Self::Engine(engine, _) => {
                let switch = SwitchRatchet { enabled };
                engine.switch_ratchet(workspace, switch).await?
            }
        })
    }
}
