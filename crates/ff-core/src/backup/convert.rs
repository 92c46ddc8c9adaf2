//! Records of a backup as ours: what is this machine's is looked at, what is of a process that is
//! over is dropped.

use std::path::Path;

use ff_protocol::Timestamp;
use ff_protocol::derived::RatchetState;
use ff_protocol::project::{Project, StartupScript};
use ff_protocol::session::{Activity, PermissionMode, PermissionPreset, Session, SessionStatus};
use ff_protocol::workspace::{
    Init, IssueLink, Owner, PullRequest, Ratchet, RunScript, Workspace, WorkspaceStatus,
};
use serde_json::Value;

use super::format::{
    ClosedRecord, ProcessStatus, ProjectRecord, Provider, SessionRecord, TerminalRecord,
    UserSettings, WorkspaceRecord,
};
use super::paths;
use super::time::Time;
use crate::store::import::{Origin, TerminalRow};

const HALF_WAY: &str = "it was being made or put away when it was taken over: \
                        `ff workspace retry` or `ff workspace archive` it";

/// The project, with an empty path if its repository is not on this machine. Its worktrees go to
/// where they were, if that is here, else to where ours go.
pub(super) fn project(record: &ProjectRecord, base_dir: &Path) -> Project {
    let r = record.clone();
    let repo_path = paths::repository(&r.repo_path).unwrap_or_default();
    let base = paths::worktree_base(&r.worktree_base_path, repo_path);
    let usual = base_dir.join("worktrees").join(&r.slug);
    let worktree_base_path =
        base.map_or_else(|| usual.to_string_lossy().into_owned(), str::to_owned);
    Project {
        id: r.id,
        name: r.name,
        slug: r.slug,
        repo_path: repo_path.to_owned(),
        worktree_base_path,
        default_branch: r.default_branch,
        github_owner: r.github_owner,
        github_repo: r.github_repo,
        is_archived: r.is_archived,
        issue_provider: r.issue_provider,
        startup: StartupScript {
            command: r.startup_script_command,
            path: r.startup_script_path,
            timeout_secs: r.startup_script_timeout,
        },
        created_at: r.created_at.0,
        updated_at: r.updated_at.0,
    }
}

/// The workspace, as `owner`'s; without a worktree unless it is one of `project`'s on this machine.
pub(super) fn workspace(
    record: &WorkspaceRecord,
    project: Option<&Project>,
    owner: &Owner,
) -> Workspace {
    let r = record.clone();
    let worktree = r.worktree_path.as_deref();
    let here = worktree
        .zip(project)
        .and_then(|(path, project)| paths::worktree(path, project));
    let script_status = RunScript::default().status;
    Workspace {
        worktree_path: here.map(str::to_owned),
        description: r.description,
        status: at_rest(r.status),
        branch_name: r.branch_name,
        is_auto_generated_branch: r.is_auto_generated_branch,
        creation_source: r.creation_source,
        creation_metadata: some(r.creation_metadata),
        init: Init {
            error_message: match at_rest(r.status) == r.status {
                true => r.init_error_message,
                false => Some(HALF_WAY.to_owned()),
            },
            started_at: time(r.init_started_at),
            completed_at: time(r.init_completed_at),
            script_pid: None,
            retry_count: r.init_retry_count,
        },
        issue: IssueLink {
            github_number: r.github_issue_number,
            github_url: r.github_issue_url,
            linear_id: r.linear_issue_id,
            linear_identifier: r.linear_issue_identifier,
            linear_url: r.linear_issue_url,
        },
        default_session_provider: r.default_session_provider,
        ratchet_session_provider: r.ratchet_session_provider,
        parent_workspace_id: r.parent_workspace_id,
        mode: r.mode,
        auto_iteration_config: some(r.auto_iteration_config),
        has_had_sessions: r.has_had_sessions,
        pr: pull_request(record),
        ratchet: ratchet(record),
        run_script: RunScript {
            command: r.run_script_command,
            post_run_command: record
                .beyond
                .as_ref()
                .and_then(|b| b.post_run_command.clone()),
            cleanup_command: r.run_script_cleanup_command,
            pid: None,
            port: None,
            started_at: None,
            status: script_status,
        },
        updated_at: r.updated_at.0,
        id: r.id,
        ..Workspace::new(r.project_id, r.name, owner.clone(), r.created_at.0)
    }
}

/// What was half-way there does not go on by itself here: making a workspace runs commands of the
/// backup, and putting one away removes its worktree.
fn at_rest(status: WorkspaceStatus) -> WorkspaceStatus {
    use WorkspaceStatus as S;
    match status {
        S::New | S::Provisioning | S::Archiving => S::Failed,
        S::Ready | S::Failed | S::Archived => status,
    }
}

/// A backup does not say whether there is a conflict; the state of the ratchet does, unless it is
/// off or checks have failed.
fn pull_request(record: &WorkspaceRecord) -> PullRequest {
    let r = record.clone();
    let beyond = r.beyond;
    PullRequest {
        url: r.pr_url,
        number: r.pr_number,
        state: r.pr_state,
        review_state: r.pr_review_state,
        ci_status: r.pr_ci_status,
        has_merge_conflict: beyond
            .as_ref()
            .map_or(r.ratchet_state == RatchetState::MergeConflict, |beyond| {
                beyond.has_merge_conflict
            }),
        synced_at: time(r.pr_updated_at),
        discovery_last_checked_at: time(beyond.as_ref().and_then(|b| b.discovery_last_checked_at)),
        discovery_retry_count: beyond.as_ref().map_or(0, |b| b.discovery_retry_count),
        discovery_next_check_at: time(beyond.as_ref().and_then(|b| b.discovery_next_check_at)),
        ci_failed_at: time(r.pr_ci_failed_at),
        ci_last_notified_at: time(r.pr_ci_last_notified_at),
        review_last_checked_at: time(r.pr_review_last_checked_at),
        review_last_comment_id: r.pr_review_last_comment_id,
    }
}

fn ratchet(record: &WorkspaceRecord) -> Ratchet {
    let beyond = record.beyond.as_ref();
    Ratchet {
        enabled: record.ratchet_enabled,
        last_checked_at: time(record.ratchet_last_checked_at),
        active_session_id: record.ratchet_active_session_id.clone(),
        dispatch_snapshot_key: record.ratchet_last_ci_run_id.clone(),
        dispatch_outcome: beyond.and_then(|b| b.dispatch_outcome),
        dispatch_retry_count: beyond.map_or(0, |b| b.dispatch_retry_count),
        dispatch_stalled: beyond.is_some_and(|b| b.dispatch_stalled),
    }
}

/// The session, closed: what was said in it can be read, and a new one may go on from it.
pub(super) fn session(record: &SessionRecord, settings: Option<&UserSettings>) -> Session {
    let r = record.clone();
    let permissions = match r.workflow.as_str() {
        "ratchet" => settings.map(|s| s.ratchet_permissions),
        _ => settings.map(|s| s.default_workspace_permissions),
    };
    Session {
        id: r.id,
        workspace_id: r.workspace_id,
        name: r.name,
        workflow: r.workflow,
        model: Some(r.model),
        permissions: permissions.unwrap_or(PermissionPreset::Strict),
        status: status(r.status),
        activity: Activity::Idle,
        last_turn: None,
        error: None,
        provider_session_id: r.provider_session_id.unwrap_or_default(),
        permission_mode: PermissionMode::Default,
        thinking_tokens: None,
        fork_of: None,
        queued: 0,
        held: false,
        login_required: None,
        total_cost_usd: None,
        warning: None,
        closed_at: Some(r.updated_at.0),
        created_at: r.created_at.0,
        updated_at: r.updated_at.0,
    }
}

/// Where it comes from.
pub(super) fn origin(record: &SessionRecord) -> Origin {
    let path = record.provider_project_path.as_deref();
    Origin {
        closed: false,
        provider: provider(record.provider),
        project_path: path.and_then(paths::directory).map(str::to_owned),
        metadata: some(record.provider_metadata.clone()),
    }
}

/// A session that was closed in the original.
pub(super) fn closed_session(record: &ClosedRecord) -> (Session, Origin) {
    let r = record.clone();
    let as_session = SessionRecord {
        id: r.session_id,
        workspace_id: r.workspace_id,
        name: r.name,
        workflow: r.workflow,
        model: r.model,
        status: ProcessStatus::Completed,
        provider: r.provider,
        provider_session_id: None,
        provider_project_path: None,
        provider_process_pid: None,
        provider_metadata: Value::Null,
        created_at: r.started_at,
        updated_at: r.completed_at,
    };
    let origin = Origin {
        closed: true,
        ..origin(&as_session)
    };
    (session(&as_session, None), origin)
}

/// A terminal's record; no process belongs to it.
pub(super) fn terminal(record: &TerminalRecord) -> TerminalRow {
    let r = record.clone();
    let status = match r.status {
        ProcessStatus::Completed => "COMPLETED",
        ProcessStatus::Failed => "FAILED",
        ProcessStatus::Idle | ProcessStatus::Running | ProcessStatus::Paused => "IDLE",
    };
    TerminalRow {
        id: r.id,
        workspace_id: r.workspace_id,
        name: r.name,
        status: status.to_owned(),
        created_at: r.created_at.0,
        updated_at: r.updated_at.0,
    }
}

/// The settings; a sound that is not on this machine is none.
pub(super) fn settings(settings: &UserSettings) -> UserSettings {
    let sound = settings.notification_sound_path.as_deref();
    UserSettings {
        notification_sound_path: sound.and_then(paths::file).map(str::to_owned),
        ..settings.clone()
    }
}

/// No process of the source runs here.
fn status(status: ProcessStatus) -> SessionStatus {
    match status {
        ProcessStatus::Idle | ProcessStatus::Running | ProcessStatus::Paused => SessionStatus::Idle,
        ProcessStatus::Completed => SessionStatus::Completed,
        ProcessStatus::Failed => SessionStatus::Failed,
    }
}

fn provider(provider: Provider) -> String {
    let name = match provider {
        Provider::Claude => "CLAUDE",
        Provider::Codex => "CODEX",
    };
    name.to_owned()
}

pub(super) fn some(value: Value) -> Option<Value> {
    (!value.is_null()).then_some(value)
}

fn time(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// JSON without what is secret in it, at any depth; whether something was.
pub(super) fn without_secrets(value: &mut Value) -> bool {
    let secret = |key: &str| {
        let key = key.to_lowercase();
        ["apikey", "token", "secret", "password", "encrypted"]
            .iter()
            .any(|word| key.contains(word))
    };
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|key, _| !secret(key));
            let here = fields.len() < before;
            fields
                .values_mut()
                .fold(here, |found, value| without_secrets(value) | found)
        }
        Value::Array(values) => values
            .iter_mut()
            .fold(false, |found, value| without_secrets(value) | found),
        _ => false,
    }
}
