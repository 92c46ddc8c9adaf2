//! What the mirror shows of a workspace beside its names: its status and its pull request.

use ff_protocol::workspace::{PullRequest, Workspace, WorkspaceStatus};
use serde::{Deserialize, Serialize};

use crate::db::entity::workspace::Model;
use crate::{Error, Result};

/// The text of one of which nothing is known.
pub(crate) const EMPTY: &str = "{}";

/// What the mirror shows besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    /// Its life in the VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<WorkspaceStatus>,
    /// Its pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pr: Option<PullRequest>,
}

impl Metadata {
    /// That of a workspace.
    pub(crate) fn of(workspace: &Workspace) -> Self {
        Self {
            status: Some(workspace.status),
            pr: Some(workspace.pr.clone()),
        }
    }

    /// That in a row. What cannot be read is not known.
    pub(crate) fn in_row(row: &Model) -> Self {
        serde_json::from_str(&row.metadata).unwrap_or_default()
    }

    /// As text. PostgreSQL has no NUL in text, and JSON none in its own.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Bug(error.to_string()))
    }
}
