//! Hand-off: the move of a workspace between a desktop and the cloud.
//!
//! `docs/PROTOCOL.md` tells the steps. The same bodies are used between desktop and server and,
//! forwarded, between server and agent.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::project::Project;
use crate::session::Session;
use crate::vm::GitIdentity;
use crate::workspace::{Owner, Workspace};
use crate::{DesktopId, HandoffId, ProjectId, Timestamp, UserId, WorkspaceId};

/// Version of the bundle's format.
pub const BUNDLE_FORMAT: u32 = 2;

/// Whether a text is a SHA-256 as parts are named by it: 64 characters of `0-9` and `a-f`.
pub fn is_sha256(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 64 && text.bytes().all(hex)
}

/// Which way a workspace moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Desktop to cloud.
    Send,
    /// Cloud to desktop.
    Pull,
}

/// How far a hand-off has come on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HandoffState {
    /// The receiver is being made ready and the bundle moves.
    Transferring,
    /// The receiver has restored it and its fingerprint is equal.
    Restored,
    /// Ownership has moved.
    Committed,
    /// Both sides have converged.
    Finalized,
    /// Given up before the commit; nothing moved.
    Aborted,
}

/// What the receiver needs to make ready before the bundle comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The workspace that comes.
    pub workspace_id: WorkspaceId,
    /// Its display name.
    pub workspace_name: String,
    /// Its project.
    pub project_id: ProjectId,
    /// The project's display name.
    pub project_name: String,
    /// Remote repository, as an `https` URL without credentials; without one, everything comes in
    /// the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_url: Option<String>,
    /// The branch that must exist at the remote, where there is one.
    pub default_branch: String,
    /// The workspace's branch.
    pub branch: String,
    /// Used when the receiver has no git identity of its own.
    #[serde(default)]
    pub git_identity: Option<GitIdentity>,
    /// Whether a copy that stayed there and was changed since becomes a workspace of its own; the
    /// workspace is refused otherwise.
    #[serde(default)]
    pub keep_both: bool,
}

/// `POST /api/handoffs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateHandoff {
    /// Id made by the desktop: the same call again has no further effect.
    pub id: HandoffId,
    /// The user (`--dev`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Which way.
    pub direction: Direction,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The desktop that sends or pulls.
    pub desktop_id: DesktopId,
    /// The epoch the desktop knows; the commit makes it one more.
    pub epoch: u64,
    /// For a send: what the VM prepares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// For a pull: commits the desktop has already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub have: Vec<String>,
    /// For a pull: whether turns that run in the VM may be cut.
    #[serde(default)]
    pub interrupt: bool,
}

/// A hand-off as the server shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// The workspace that moves.
    pub workspace_id: WorkspaceId,
    /// Which way.
    pub direction: Direction,
    /// How far it has come.
    pub state: HandoffState,
    /// Epoch of the workspace once committed.
    pub epoch: u64,
    /// For a send that has just been prepared: commits the VM has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub have: Vec<String>,
    /// For a pull that has just been prepared: what the VM has spooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Box<Manifest>>,
    /// How far the bundle has come, once it is known how large it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last moved on.
    pub updated_at: Timestamp,
}

/// Server to agent, `POST /api/handoffs/{id}/receive`: clone or fetch, and say what is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receive {
    /// What to make ready.
    pub plan: Plan,
    /// Epoch the workspace will have.
    pub epoch: u64,
}

/// Answer to [`Receive`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Commits the receiver has.
    pub have: Vec<String>,
}

/// Server to agent, `POST /api/handoffs/{id}/export`: spool the workspace for a pull.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// The workspace to spool.
    pub workspace_id: WorkspaceId,
    /// Who will own it.
    pub to: Owner,
    /// Epoch the workspace has now.
    pub epoch: u64,
    /// Commits the other side has.
    pub have: Vec<String>,
    /// Whether turns that run may be cut.
    #[serde(default)]
    pub interrupt: bool,
}

/// How a hand-off ended, `POST /api/handoffs/{id}/finish` on the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finish {
    /// Whether ownership moved.
    pub committed: bool,
    /// Whether the side it moved to has converged: from then on the copy that stayed may age.
    #[serde(default)]
    pub finalized: bool,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Relative name: `repo.bundle`, `state.json`, `files.tar`, `journal.jsonl`, `transcripts/…`.
    pub name: String,
    /// SHA-256 of the content, hex.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// Answer to `POST /api/handoffs/{id}/offer` (body: [`Manifest`]): the receiver takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offered {
    /// What has arrived of the parts; of those that are not named, nothing.
    #[serde(default)]
    pub arrived: Vec<Arrived>,
}

impl Offered {
    /// Bytes of a part that have arrived.
    pub fn of(&self, part: &Part) -> u64 {
        let arrived = self.arrived.iter().find(|it| it.sha256 == part.sha256);
        arrived.map_or(0, |it| it.size.min(part.size))
    }
}

/// How much of a part has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    /// The part's SHA-256, hex.
    pub sha256: String,
    /// Bytes of it, from its beginning.
    pub size: u64,
}

/// How far the bundle of a hand-off has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Bytes that have passed.
    pub done: u64,
    /// Bytes of all parts.
    pub total: u64,
}

/// Git facts of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitState {
    /// The branch.
    pub branch: String,
    /// Commit it points to.
    pub head: String,
    /// Its upstream, such as `origin/main`.
    #[serde(default)]
    pub upstream: Option<String>,
}

/// What both sides compute for themselves and compare before the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    /// Commit the branch points to.
    pub head: String,
    /// Tree of that commit.
    pub tree: String,
    /// SHA-256 of the working state, hex: index, files, what is half-way, sparse patterns.
    pub state: String,
    /// Commits of the branch's stashes, the newest first.
    pub stashes: Vec<String>,
    /// SHA-256 of the journal as it travels, hex.
    pub journal: String,
    /// SHA-256 of what belongs to the conversations beside it, hex; none when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// SHA-256 of each transcript file by its name in the bundle, hex.
    pub transcripts: BTreeMap<String, String>,
}

fn known_format<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let format = u32::deserialize(from)?;
    if format > BUNDLE_FORMAT {
        return Err(D::Error::custom(format_args!(
            "the bundle has format {format}, and this version knows {BUNDLE_FORMAT} at most: bring this side up to date"
        )));
    }
    Ok(format)
}

/// `manifest.json` of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`]; a newer one is refused before anything else is read.
    #[serde(deserialize_with = "known_format")]
    pub format: u32,
    /// The hand-off this belongs to.
    pub handoff_id: HandoffId,
    /// Who owned the workspace.
    pub from: Owner,
    /// Who will own it.
    pub to: Owner,
    /// Epoch the workspace will have.
    pub epoch: u64,
    /// Its project, as stored.
    pub project: Project,
    /// The workspace with its PR and ratchet fields, as stored.
    pub workspace: Workspace,
    /// Its sessions, as stored.
    pub sessions: Vec<Session>,
    /// Its git facts.
    pub git: GitState,
    /// What the sender computed.
    pub fingerprint: Fingerprint,
    /// The files that belong to it.
    pub parts: Vec<Part>,
}

/// Answer to `POST /api/handoffs/{id}/restore` (body: [`Manifest`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What the receiver computed from what it restored.
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::is_sha256;

    #[test]
    fn a_part_is_named_by_lower_case_hex_of_one_length() {
        assert!(is_sha256(&"0a".repeat(32)));
        for text in [
            "",
            "ff",
            &"0A".repeat(32),
            &"0g".repeat(32),
            &"0".repeat(65),
        ] {
            assert!(!is_sha256(text), "{text}");
        }
        assert!(!is_sha256(&format!("../{}", "0".repeat(61))));
    }
}
