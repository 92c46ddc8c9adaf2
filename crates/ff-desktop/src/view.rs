//! Workspaces as `ff` shows them, from both sides' rows.

use std::path::PathBuf;

use ff_core::derive;
use ff_core::handoff::Kept;
use ff_protocol::derived::{FlowPhase, RatchetState, StatusReason};
use ff_protocol::session::Session;
use ff_protocol::workspace::{Location, Owner, PullRequest, Ratchet, Workspace, WorkspaceStatus};
use ff_protocol::{HandoffId, Timestamp, VmId, WorkspaceId};
use serde::Serialize;

use crate::clean::clean_line;
use crate::find::Known;
use crate::output::{fields, table, wire_name};
use crate::session::host::Host;
use crate::session::waits::what_for;

/// A workspace as `ff workspace list` and `show`, `ff send` and `ff pull` print it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceView {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Where it is, as shown.
    pub location: Location,
    /// The side that may act on it.
    pub owner: Owner,
    /// Fencing number of its ownership.
    pub epoch: u64,
    /// Whether it is being moved.
    pub moving: bool,
    /// Whether it should be in the cloud, and the cloud has no such workspace.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// Whether another desktop has it, for people: programs see that by its owner.
    #[serde(skip)]
    elsewhere: bool,
    /// The hand-off under way, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff_id: Option<HandoffId>,
    /// Its branch.
    pub branch_name: Option<String>,
    /// Name of its project, where the cloud told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// Its life, as the side that holds it told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkspaceStatus>,
    /// What went wrong in its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_error_message: Option<String>,
    /// Why it stands where it does on the board; only of what this machine holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<StatusReason>,
    /// Where it is on the way to a merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_phase: Option<FlowPhase>,
    /// Its worktree, while it is on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree_path: Option<String>,
    /// The copy that stayed on this machine when it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptView>,
    /// The VM that holds it, while it is in the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_id: Option<VmId>,
    /// Its pull request, as the side that holds it told, or this machine knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr: Option<PullRequest>,
    /// Its ratchet, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratchet: Option<Ratchet>,
    /// What the ratchet makes of the pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratchet_state: Option<RatchetState>,
}

/// A copy that stayed on this machine.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptView {
    /// Where it is.
    pub path: PathBuf,
    /// Until when it stays, if nobody changes it; absent while the other side has not converged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it was changed since.
    pub edited: bool,
}

impl KeptView {
    fn text(&self) -> String {
        let stays = match self.until {
            _ if self.edited => ", changed since, so it stays".to_owned(),
            Some(at) => format!(", until {}", at.format("%Y-%m-%d")),
            None => String::new(),
        };
        format!("{}{stays}", self.path.display())
    }
}

impl WorkspaceView {
    /// The view of what both sides know.
    pub fn of(known: &Known) -> Self {
        let (owner, epoch) = known.owner();
        let location = owner.location();
        let local = known.local.as_ref();
        let cloud = known.cloud.as_ref();
        let in_cloud = cloud.filter(|_| location == Location::Cloud);
        let handoff_id = local.and_then(|w| w.handoff_id.clone());
        let view = Self {
            id: known.id.clone(),
            name: known.name().to_owned(),
            moving: handoff_id.is_some(),
            missing: known.is_missing(),
            elsewhere: false,
            handoff_id,
            branch_name: cloud.map(|c| c.branch_name.clone()),
            project_name: cloud.map(|c| c.project_name.clone()),
            status: None,
            init_error_message: None,
            status_reason: None,
            flow_phase: None,
            worktree_path: None,
            kept: None,
            vm_id: in_cloud.map(|c| c.vm_id.clone()),
            pr: None,
            ratchet: None,
            ratchet_state: None,
            owner,
            epoch,
            location,
        };
        let view = match local {
            Some(local) => view.with(local),
            None => view,
        };
        match in_cloud {
            Some(row) => Self {
                status: row.status.or(view.status),
                pr: row.pr.clone().or(view.pr),
                // What this machine remembers of these is old.
                init_error_message: None,
                flow_phase: None,
                ..view
            },
            None => view,
        }
    }

    /// The same with the copy that stayed on this machine.
    pub fn with_kept(self, kept: Option<Kept>) -> Self {
        let kept = kept.map(|kept| KeptView {
            path: kept.path,
            until: kept.kept_until,
            edited: kept.edited,
        });
        Self { kept, ..self }
    }

    /// The same with what a side knows of the workspace.
    pub fn with(self, workspace: &Workspace) -> Self {
        let here = self.location == Location::Desktop;
        Self {
            branch_name: workspace.branch_name.clone().or(self.branch_name),
            status: Some(workspace.status),
            init_error_message: workspace.init.error_message.clone(),
            flow_phase: Some(derive::flow::state(workspace.into()).phase),
            worktree_path: workspace.worktree_path.clone().filter(|_| here),
            pr: Some(workspace.pr.clone()),
            ratchet: Some(workspace.ratchet.clone()),
            ratchet_state: Some(derive::ratchet::state(workspace.into())),
            ..self
        }
    }

    /// The same with why it stands where it does.
    pub fn standing(self, reason: Option<StatusReason>) -> Self {
        Self {
            status_reason: reason,
            ..self
        }
    }

    /// The same as the side `me` sees it.
    pub fn seen_by(self, me: &Owner) -> Self {
        Self {
            elsewhere: self.location == Location::Desktop && self.owner != *me,
            ..self
        }
    }

    /// Where it is, as lists show it.
    pub fn place(&self) -> String {
        let note = match (self.moving, self.missing) {
            (true, _) => " (moving)",
            (_, true) => " (missing)",
            _ if self.elsewhere => " (another)",
            _ => "",
        };
        format!("{}{note}", wire_name(&self.location))
    }

    /// Its column and what it stands there for, as lists show it.
    pub fn stands(&self) -> String {
        let Some(reason) = self.status_reason.as_ref().filter(|_| !self.elsewhere) else {
            return String::new();
        };
        match &reason.column {
            Some(column) => format!("{}: {}", wire_name(column), reason.label),
            None => reason.label.clone(),
        }
    }

    /// The lines people read.
    pub fn text(&self) -> String {
        let pr = self
            .pr
            .as_ref()
            .filter(|pr| pr.number.is_some() || pr.url.is_some());
        fields(&[
            ("workspace", Some(self.name.clone())),
            ("id", Some(self.id.to_string())),
            ("location", Some(self.place())),
            ("owner", Some(self.owner.to_string())),
            ("epoch", Some(self.epoch.to_string())),
            (
                "moving",
                self.handoff_id.as_ref().map(|id| format!("hand-off {id}")),
            ),
            ("status", self.status.as_ref().map(wire_name)),
            ("stands", Some(self.stands()).filter(|it| !it.is_empty())),
            ("flow", self.flow_phase.as_ref().map(wire_name)),
            (
                "warning",
                self.init_error_message.as_deref().map(clean_line),
            ),
            ("branch", self.branch_name.clone()),
            ("project", self.project_name.clone()),
            ("path", self.worktree_path.clone()),
            ("kept copy", self.kept.as_ref().map(KeptView::text)),
            ("vm", self.vm_id.as_ref().map(ToString::to_string)),
            ("pull request", pr.map(pull_request)),
            (
                "ratchet",
                self.ratchet
                    .as_ref()
                    .zip(self.ratchet_state)
                    .map(|(it, state)| ratchet(it, state)),
            ),
        ])
    }
}

/// A pull request in a few words.
pub fn pull_request(pr: &PullRequest) -> String {
    let number = pr.number.map(|n| format!("#{n} ")).unwrap_or_default();
    let url = pr
        .url
        .as_deref()
        .map(|url| format!(", {url}"))
        .unwrap_or_default();
    let conflict = match pr.has_merge_conflict {
        true => ", conflicts with its base",
        false => "",
    };
    format!(
        "{number}{}, checks {}{conflict}{url}",
        wire_name(&pr.state),
        wire_name(&pr.ci_status)
    )
}

/// A ratchet in a few words.
pub fn ratchet(ratchet: &Ratchet, state: RatchetState) -> String {
    let stalled = match ratchet.dispatch_stalled {
        true => ", stalled",
        false => "",
    };
    match ratchet.enabled {
        true => format!("on{stalled}, {}", wire_name(&state)),
        false => "off".into(),
    }
}

/// One line of a list of sessions.
/// The state of a session's process, or that it was closed.
pub fn session_status(session: &Session) -> String {
    match session.closed_at {
        Some(_) => "CLOSED".to_owned(),
        None => wire_name(&session.status),
    }
}

fn session_row(session: &Session) -> Vec<String> {
    let last = session
        .last_turn
        .as_ref()
        .map(|turn| wire_name(&turn.outcome));
    vec![
        session.id.to_string(),
        session.name.clone().unwrap_or_default(),
        session_status(session),
        wire_name(&session.activity),
        last.unwrap_or_default(),
    ]
}

/// A session with its settings.
pub fn session_text(session: &Session) -> String {
    let last = session.last_turn.as_ref();
    fields(&[
        ("session", Some(session.id.to_string())),
        ("name", session.name.clone()),
        ("status", Some(session_status(session))),
        ("activity", Some(wire_name(&session.activity))),
        ("model", session.model.clone()),
        ("permissions", Some(wire_name(&session.permissions))),
        ("mode", Some(wire_name(&session.permission_mode))),
        (
            "thinking",
            session
                .thinking_tokens
                .map(|tokens| format!("at most {tokens} tokens")),
        ),
        (
            "waiting",
            (session.queued > 0).then(|| session.queued.to_string()),
        ),
        ("last turn", last.map(|turn| wire_name(&turn.outcome))),
        (
            "cost",
            session.total_cost_usd.map(|cost| format!("{cost:.4} USD")),
        ),
    ])
}

/// Header of a list of sessions.
const SESSION_HEADER: [&str; 5] = ["SESSION", "NAME", "STATUS", "ACTIVITY", "LAST TURN"];

/// A list of sessions, and below it what those wait for that do not go on by themselves.
pub fn session_table(host: &Host<'_>, sessions: &[Session]) -> String {
    let rows: Vec<Vec<String>> = sessions.iter().map(session_row).collect();
    let waits = sessions.iter().filter_map(|session| {
        let name = session.name.as_deref().unwrap_or(session.id.as_str());
        Some(format!("{name} waits for {}", what_for(host, session)?))
    });
    let waits: Vec<String> = waits.collect();
    let table = table(&SESSION_HEADER, &rows);
    match waits.is_empty() {
        true => table,
        false => format!("{table}\n\n{}", waits.join("\n")),
    }
}
