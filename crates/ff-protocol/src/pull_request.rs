//! The pull request of a workspace, and its ratchet.

use serde::{Deserialize, Serialize};

use crate::WorkspaceId;
use crate::derived::{CiObservation, RatchetState};
use crate::workspace::{PullRequest, Ratchet};

/// What is known of a workspace's pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestStatus {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Its branch.
    pub branch_name: Option<String>,
    /// Its pull request, as it was when it was last read.
    pub pr: PullRequest,
    /// What is known of the checks.
    pub ci_observation: CiObservation,
    /// Its ratchet.
    pub ratchet: Ratchet,
    /// What the ratchet makes of it.
    pub ratchet_state: RatchetState,
}

/// `POST /api/workspaces/{workspace}/pr/attach`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachPullRequest {
    /// Web address of the pull request, or its number in the project's repository.
    pub pull_request: String,
}

/// `PATCH /api/workspaces/{workspace}/ratchet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchRatchet {
    /// Whether the ratchet is to act on the workspace.
    pub enabled: bool,
}
