//! Workspaces with their pull request and ratchet state.
//!
//! Field names and enum values are those of the original application, so that its data and
//! its users find what they know.

mod calls;
mod life;

pub use calls::*;
pub use life::*;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DesktopId, ProjectId, SessionId, Timestamp, VmId, WorkspaceId};

/// Life of a workspace on the machine that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum WorkspaceStatus {
    New,
    Provisioning,
    Ready,
    Failed,
    Archiving,
    Archived,
}

/// Where a workspace is, as shown. What counts is its [`Owner`] and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// On a user's own machine.
    Desktop,
    /// In the user's VM.
    Cloud,
    /// Two sides say that they own it; neither acts on it until a person decides.
    Conflict,
}

/// The one side that may act on a workspace: `cloud`, `desktop:<id>`, or nobody: `contested`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Owner {
    /// The cloud.
    Cloud,
    /// One installation of the desktop app.
    Desktop(DesktopId),
    /// Nobody, until a person decides: two sides say that they own it at the same epoch.
    Contested,
}

impl Owner {
    /// What the owner means for display.
    pub fn location(&self) -> Location {
        match self {
            Self::Cloud => Location::Cloud,
            Self::Desktop(_) => Location::Desktop,
            Self::Contested => Location::Conflict,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud => f.write_str("cloud"),
            Self::Desktop(id) => write!(f, "desktop:{id}"),
            Self::Contested => f.write_str("contested"),
        }
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> String {
        owner.to_string()
    }
}

/// Text that names no owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an owner: expected `cloud`, `desktop:<id>` or `contested`")]
pub struct InvalidOwner(String);

impl TryFrom<String> for Owner {
    type Error = InvalidOwner;
    fn try_from(text: String) -> Result<Self, InvalidOwner> {
        match text.as_str() {
            "cloud" => return Ok(Self::Cloud),
            "contested" => return Ok(Self::Contested),
            _ => {}
        }
        match text.strip_prefix("desktop:").map(str::parse) {
            Some(Ok(id)) => Ok(Self::Desktop(id)),
            _ => Err(InvalidOwner(text)),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;
    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        Self::try_from(text.to_owned())
    }
}

/// State of a pull request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum PrState {
    #[default]
    None,
    Draft,
    Open,
    ChangesRequested,
    Approved,
    Merged,
    Closed,
}

/// State of a pull request's checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum CiStatus {
    #[default]
    Unknown,
    Pending,
    Success,
    Failure,
}

/// How the last fixer session of the ratchet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum RatchetDispatchOutcome {
    Running,
    Completed,
    Died,
}

/// What is known of a workspace's pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PullRequest {
    /// Web address of the pull request.
    pub url: Option<String>,
    /// Its number.
    pub number: Option<i64>,
    /// Its state.
    pub state: PrState,
    /// GitHub's `reviewDecision`, as it came.
    pub review_state: Option<String>,
    /// State of its checks.
    pub ci_status: CiStatus,
    /// Whether it conflicts with its base.
    pub has_merge_conflict: bool,
    /// When we last read it.
    pub synced_at: Option<Timestamp>,
    /// When discovery last looked for it.
    pub discovery_last_checked_at: Option<Timestamp>,
    /// Times discovery looked in vain.
    pub discovery_retry_count: i64,
    /// When discovery looks next.
    pub discovery_next_check_at: Option<Timestamp>,
    /// When its checks failed.
    pub ci_failed_at: Option<Timestamp>,
    /// When the user was last told of that.
    pub ci_last_notified_at: Option<Timestamp>,
    /// When its reviews were last read.
    pub review_last_checked_at: Option<Timestamp>,
    /// Last review comment seen.
    pub review_last_comment_id: Option<String>,
}

/// Ratchet settings and state of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ratchet {
    /// Whether the ratchet acts on this workspace.
    pub enabled: bool,
    /// When it last looked.
    pub last_checked_at: Option<Timestamp>,
    /// Its running fixer session; never travels.
    pub active_session_id: Option<SessionId>,
    /// Key of the state it last acted on.
    pub dispatch_snapshot_key: Option<String>,
    /// How that ended.
    pub dispatch_outcome: Option<RatchetDispatchOutcome>,
    /// Times it tried again for that state.
    pub dispatch_retry_count: i64,
    /// Whether it has given up on that state.
    pub dispatch_stalled: bool,
}

/// A workspace as the machine that holds it knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// The workspace's id; stays the same on every machine.
    pub id: WorkspaceId,
    /// Its project.
    pub project_id: ProjectId,
    /// Display name.
    pub name: String,
    /// Longer description.
    #[serde(default)]
    pub description: Option<String>,
    /// Life on this machine.
    pub status: WorkspaceStatus,
    /// Path of its worktree on this machine.
    #[serde(default)]
    pub worktree_path: Option<String>,
    /// Its branch.
    #[serde(default)]
    pub branch_name: Option<String>,
    /// Whether we made up the branch's name.
    #[serde(default)]
    pub is_auto_generated_branch: bool,
    /// Where it came from.
    pub creation_source: CreationSource,
    /// What its maker asked for: `initialPrompt`, `baseBranch`, and whatever else came along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_metadata: Option<serde_json::Value>,
    /// How it was made ready.
    #[serde(default)]
    pub init: Init,
    /// The issue it is about.
    #[serde(default)]
    pub issue: IssueLink,
    /// Provider of its sessions.
    #[serde(default)]
    pub default_session_provider: ProviderSelection,
    /// Provider of its ratchet's sessions.
    #[serde(default)]
    pub ratchet_session_provider: ProviderSelection,
    /// The workspace it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_workspace_id: Option<WorkspaceId>,
    /// How it is worked in.
    #[serde(default)]
    pub mode: WorkspaceMode,
    /// Settings of the original's auto-iteration; kept for its users, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_iteration_config: Option<serde_json::Value>,
    /// Whether a session was ever started in it.
    pub has_had_sessions: bool,
    /// Where it is, as shown.
    pub location: Location,
    /// The side that may act on it.
    pub owner: Owner,
    /// Fencing number of its ownership.
    pub epoch: u64,
    /// The hand-off under way, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff_id: Option<crate::HandoffId>,
    /// Its pull request.
    #[serde(default)]
    pub pr: PullRequest,
    /// Its ratchet.
    #[serde(default)]
    pub ratchet: Ratchet,
    /// Its run script.
    #[serde(default)]
    pub run_script: RunScript,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

impl Workspace {
    /// A new workspace of this project: not made yet, on no branch.
    pub fn new(
        project_id: ProjectId,
        name: impl Into<String>,
        owner: Owner,
        now: Timestamp,
    ) -> Self {
        Self {
            id: WorkspaceId::generate(),
            project_id,
            name: name.into(),
            description: None,
            status: WorkspaceStatus::New,
            worktree_path: None,
            branch_name: None,
            is_auto_generated_branch: false,
            creation_source: CreationSource::Manual,
            creation_metadata: None,
            init: Init::default(),
            issue: IssueLink::default(),
            default_session_provider: ProviderSelection::default(),
            ratchet_session_provider: ProviderSelection::default(),
            parent_workspace_id: None,
            mode: WorkspaceMode::default(),
            auto_iteration_config: None,
            has_had_sessions: false,
            location: owner.location(),
            owner,
            epoch: 1,
            handoff_id: None,
            pr: PullRequest::default(),
            ratchet: Ratchet::default(),
            run_script: RunScript::default(),
            created_at: now,
            updated_at: now,
        }
    }

    /// The first message its maker has for its first session; a blank one is none.
    pub fn initial_prompt(&self) -> Option<&str> {
        self.asked("initialPrompt")
            .filter(|text| !text.trim().is_empty())
    }

    /// The branch its maker wants its branch to start from.
    pub fn base_branch(&self) -> Option<&str> {
        self.asked("baseBranch")
    }

    fn asked(&self, key: &str) -> Option<&str> {
        self.creation_metadata.as_ref()?.get(key)?.as_str()
    }

    /// The worktree's path; a blank one is none.
    pub fn worktree(&self) -> Option<&str> {
        let path = self.worktree_path.as_deref();
        path.filter(|path| !path.trim().is_empty())
    }
}

/// A workspace as the cloud server's mirror knows it: enough to list and to find it, without
/// waking its VM and without message text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudWorkspace {
    /// The workspace's id.
    pub id: WorkspaceId,
    /// Display name.
    pub name: String,
    /// Name of its project.
    pub project_name: String,
    /// Its branch.
    pub branch_name: String,
    /// Where it is, as shown.
    pub location: Location,
    /// The side that may act on it.
    pub owner: Owner,
    /// Fencing number of its ownership.
    pub epoch: u64,
    /// The VM that holds it, or held it last.
    pub vm_id: VmId,
    /// Its life, as the VM last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkspaceStatus>,
    /// Its pull request, as the VM last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr: Option<PullRequest>,
    /// When the mirror last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_reads_back_what_it_writes() {
        let id = DesktopId::generate();
        for owner in [Owner::Cloud, Owner::Desktop(id), Owner::Contested] {
            assert_eq!(owner.to_string().parse::<Owner>().unwrap(), owner);
        }
        for text in ["", "Cloud", "desktop:", "desktop:../x", "server"] {
            assert!(text.parse::<Owner>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn enum_values_are_those_of_the_original() {
        assert_eq!(
            serde_json::to_value(PrState::ChangesRequested).unwrap(),
            "CHANGES_REQUESTED"
        );
        assert_eq!(serde_json::to_value(Location::Cloud).unwrap(), "CLOUD");
    }
}
