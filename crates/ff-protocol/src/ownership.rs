//! Who owns which workspace, as the server and those who hold copies tell each other:
//! `docs/PROTOCOL.md`, "Who owns a workspace".

use serde::{Deserialize, Serialize};

use crate::workspace::Owner;
use crate::{HandoffId, WorkspaceId};

/// What one side's records say of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who owns it.
    pub owner: Owner,
    /// Since which epoch.
    pub epoch: u64,
    /// The hand-off that led there, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HandoffId>,
    /// Whether there is a copy here to go on from.
    pub copy: bool,
    /// The workspace's display name.
    pub name: String,
    /// Its project's display name.
    pub project_name: String,
    /// Its branch.
    pub branch_name: String,
}

/// `POST /api/ownership`: what a desktop's records say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// One for each workspace; 1000 at most.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// Hand-offs of ours that the server does not know though their commit may have been asked
    /// for: whether they were committed is to be found out, or they are given up; 100 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<HandoffId>,
}

/// What holds of a workspace, in the server's words. Whoever knows an older epoch follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ruling {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who owns it.
    pub owner: Owner,
    /// Since which epoch.
    pub epoch: u64,
    /// The hand-off that led there, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HandoffId>,
}

/// `POST /api/workspaces/{id}/reclaim`: the other side is gone, go on from the copy that stayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reclaim {
    /// Who takes it: the cloud, or the desktop that asks.
    pub owner: Owner,
    /// Its epoch from now on, higher than any before.
    pub epoch: u64,
}
