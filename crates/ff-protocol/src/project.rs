//! Projects.

use serde::{Deserialize, Serialize};

use crate::{ProjectId, Timestamp};

/// A repository on one machine. `repo_path` and `worktree_base_path` are that machine's own
/// and are rewritten when the project arrives elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The project's id; stays the same on every machine.
    pub id: ProjectId,
    /// Display name.
    pub name: String,
    /// Unique short name, part of paths.
    pub slug: String,
    /// Path of the main checkout.
    pub repo_path: String,
    /// Directory that holds the workspaces' worktrees.
    pub worktree_base_path: String,
    /// The branch new workspaces start from.
    pub default_branch: String,
    /// Owner on GitHub, where the remote is there.
    pub github_owner: Option<String>,
    /// Repository name on GitHub, where the remote is there.
    pub github_repo: Option<String>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}
