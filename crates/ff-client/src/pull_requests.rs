//! The engine API: the pull request of a workspace, and its ratchet.

use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::{AttachPullRequest, PullRequestStatus, SwitchRatchet};
use reqwest::Method;

use crate::engine::EngineClient;
use crate::error::Result;
use crate::http::WAKE;

impl EngineClient {
    /// What is known of the workspace's pull request and ratchet. A read, as [`Self::sessions`].
    pub async fn pull_request(&self, workspace: &WorkspaceId) -> Result<PullRequestStatus> {
        let path = self.read(format!("/api/workspaces/{workspace}/pr"));
        self.http.get(&path, WAKE).await
    }

    /// Has the workspace's pull request read now, or looked for.
    pub async fn sync_pull_request(&self, workspace: &WorkspaceId) -> Result<PullRequestStatus> {
        let path = format!("/api/workspaces/{workspace}/pr/sync");
        self.http.post_empty(&path, WAKE).await
    }

    /// Gives the workspace a pull request.
    pub async fn attach_pull_request(
        &self,
        workspace: &WorkspaceId,
        attach: &AttachPullRequest,
    ) -> Result<PullRequestStatus> {
        let path = format!("/api/workspaces/{workspace}/pr/attach");
        self.http.post(&path, attach, WAKE).await
    }

    /// Switches the workspace's ratchet on or off.
    pub async fn switch_ratchet(
        &self,
        workspace: &WorkspaceId,
        switch: SwitchRatchet,
    ) -> Result<PullRequestStatus> {
        let path = format!("/api/workspaces/{workspace}/ratchet");
        let request = self.http.request(Method::PATCH, &path).json(&switch);
        self.http.send(request, WAKE).await
    }
}
