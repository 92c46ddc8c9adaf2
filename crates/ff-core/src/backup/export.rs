//! Everything here as a backup of the original application, so that a user can go back.
//!
//! Equal to the backup it came from, but for
//!
//! | field | why |
//! |---|---|
//! | `meta.exportedAt`, `meta.version` | made now, by this program |
//! | paths that are not on this machine | not kept: empty, `null`, or (worktree base) where ours go |
//! | pids; `runScriptPort`, `runScriptStartedAt`, `runScriptStatus`; `RUNNING` of sessions | of processes that are over |
//! | `status` `NEW`, `PROVISIONING`, `ARCHIVING` of workspaces | `FAILED`, with `initErrorMessage`: nothing goes on by itself |
//! | `ratchetState` | derived anew |
//! | `slug`, where it was taken here | has to be unique |
//! | fields that version 4 does not know | not kept |

use chrono::SubsecRound;
use ff_protocol::session::{Session, SessionStatus};
use ff_protocol::workspace::{RunScriptStatus, Workspace};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::format::{
    Backup, Data, Meta, ProcessStatus, ProjectRecord, Provider, SCHEMA_VERSION, SessionRecord,
    TerminalRecord, WorkspaceRecord,
};
use super::time::Time;
use crate::clock;
use crate::core::Core;
use crate::derive::ratchet;
use crate::error::{Error, Result};
use crate::store::import::{Origin, TerminalRow};

/// What the original calls the model that nobody chose.
const DEFAULT_MODEL: &str = "sonnet";

impl Core {
    /// Everything of this machine that a backup of version 4 can hold.
    ///
    /// # Errors
    /// The store failed.
    pub async fn export_backup(&self) -> Result<Backup> {
        let store = self.store();
        let mut trackers = store.project_trackers().await?;
        let mut projects = store.projects().await?;
        projects.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let projects = projects.into_iter().map(|project| {
            let tracker = trackers.remove(&project.id).unwrap_or_default();
            project_record(project, tracker)
        });
        let mut outputs = store.init_outputs().await?;
        let workspaces = store.workspaces().await?.into_iter().map(|workspace| {
            let output = outputs.remove(&workspace.id);
            workspace_record(workspace, output)
        });
        let mut origins = store.session_origins().await?;
        let mut agent_sessions = Vec::new();
        for session in store.all_sessions().await? {
            let origin = origins.remove(&session.id);
            if !origin.as_ref().is_some_and(|origin| origin.closed) {
                agent_sessions.push(session_record(session, origin)?);
            }
        }
        let terminals = store.terminal_rows().await?.into_iter();
        let settings = store.user_settings().await?;
        Ok(Backup {
            meta: Meta {
                exported_at: clock::now().trunc_subsecs(3).into(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                schema_version: SCHEMA_VERSION,
            },
            data: Data {
                projects: projects.collect(),
                workspaces: workspaces.collect(),
                agent_sessions,
                terminal_sessions: terminals.map(terminal_record).collect::<Result<_>>()?,
                user_settings: settings
                    .map(|settings| stored("the settings", settings))
                    .transpose()?,
            },
        })
    }
}

fn project_record(p: ff_protocol::project::Project, tracker: Value) -> ProjectRecord {
    ProjectRecord {
        id: p.id,
        name: p.name,
        slug: p.slug,
        repo_path: p.repo_path,
        worktree_base_path: p.worktree_base_path,
        default_branch: p.default_branch,
        github_owner: p.github_owner,
        github_repo: p.github_repo,
        issue_provider: p.issue_provider,
        issue_tracker_config: tracker,
        is_archived: p.is_archived,
        startup_script_command: p.startup.command,
        startup_script_path: p.startup.path,
        startup_script_timeout: p.startup.timeout_secs,
        created_at: p.created_at.into(),
        updated_at: p.updated_at.into(),
    }
}

fn workspace_record(w: Workspace, init_output: Option<String>) -> WorkspaceRecord {
    let ratchet_state = ratchet::state((&w).into());
    let time = |time: Option<ff_protocol::Timestamp>| time.map(Time);
    let (pr, script) = (w.pr, w.run_script);
    WorkspaceRecord {
        id: w.id,
        project_id: w.project_id,
        parent_workspace_id: w.parent_workspace_id,
        name: w.name,
        description: w.description,
        status: w.status,
        worktree_path: w.worktree_path,
        branch_name: w.branch_name,
        is_auto_generated_branch: w.is_auto_generated_branch,
        creation_source: w.creation_source,
        creation_metadata: w.creation_metadata.unwrap_or_default(),
        init_error_message: w.init.error_message,
        init_output,
        init_started_at: time(w.init.started_at),
        init_completed_at: time(w.init.completed_at),
        init_retry_count: w.init.retry_count,
        run_script_command: script.command,
        run_script_cleanup_command: script.cleanup_command,
        run_script_pid: None,
        run_script_port: None,
        run_script_started_at: None,
        run_script_status: RunScriptStatus::Idle,
        mode: w.mode,
        auto_iteration_config: w.auto_iteration_config.unwrap_or_default(),
        github_issue_number: w.issue.github_number,
        github_issue_url: w.issue.github_url,
        linear_issue_id: w.issue.linear_id,
        linear_issue_identifier: w.issue.linear_identifier,
        linear_issue_url: w.issue.linear_url,
        default_session_provider: w.default_session_provider,
        ratchet_session_provider: w.ratchet_session_provider,
        pr_url: pr.url,
        pr_number: pr.number,
        pr_state: pr.state,
        pr_review_state: pr.review_state,
        pr_ci_status: pr.ci_status,
        pr_updated_at: time(pr.synced_at),
        pr_ci_failed_at: time(pr.ci_failed_at),
        pr_ci_last_notified_at: time(pr.ci_last_notified_at),
        pr_review_last_checked_at: time(pr.review_last_checked_at),
        pr_review_last_comment_id: pr.review_last_comment_id,
        ratchet_enabled: w.ratchet.enabled,
        ratchet_state,
        ratchet_last_checked_at: time(w.ratchet.last_checked_at),
        ratchet_active_session_id: w.ratchet.active_session_id,
        ratchet_last_ci_run_id: w.ratchet.dispatch_snapshot_key,
        has_had_sessions: w.has_had_sessions,
        created_at: w.created_at.into(),
        updated_at: w.updated_at.into(),
        beyond: None,
    }
}

/// A session that is closed here goes on in the original: it finds the conversation with the CLI.
fn session_record(s: Session, origin: Option<Origin>) -> Result<SessionRecord> {
    let provider = match &origin {
        Some(origin) => stored("a session's provider", origin.provider.clone().into())?,
        None => Provider::Claude,
    };
    let (project_path, metadata) = origin.map(|o| (o.project_path, o.metadata)).unzip();
    Ok(SessionRecord {
        id: s.id,
        workspace_id: s.workspace_id,
        name: s.name,
        workflow: s.workflow,
        model: s.model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
        status: match s.status {
            SessionStatus::Idle | SessionStatus::Running => ProcessStatus::Idle,
            SessionStatus::Completed => ProcessStatus::Completed,
            SessionStatus::Failed => ProcessStatus::Failed,
        },
        provider,
        provider_session_id: Some(s.provider_session_id).filter(|id| !id.is_empty()),
        provider_project_path: project_path.flatten(),
        provider_process_pid: None,
        provider_metadata: metadata.flatten().unwrap_or_default(),
        created_at: s.created_at.into(),
        updated_at: s.updated_at.into(),
    })
}

fn terminal_record(terminal: TerminalRow) -> Result<TerminalRecord> {
    Ok(TerminalRecord {
        id: terminal.id,
        workspace_id: terminal.workspace_id,
        name: terminal.name,
        status: stored("a terminal's status", terminal.status.into())?,
        pid: None,
        created_at: terminal.created_at.into(),
        updated_at: terminal.updated_at.into(),
    })
}

fn stored<T: DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|source| Error::Data {
        what: what.to_owned(),
        source,
    })
}
