//! A workspace and the rows it is kept in.

use ff_protocol::workspace::{Init, IssueLink, Owner, PullRequest, Ratchet, RunScript, Workspace};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ConnectionTrait,
};

use super::entity::{workspace, workspace_pr, workspace_ratchet, workspace_run_script};
use super::text;
use super::workspaces::signed;
use crate::error::{Error, Result};

/// Writes the rows of a workspace.
pub(super) async fn insert_rows<C: ConnectionTrait>(
    db: &C,
    workspace: &Workspace,
    journal_id: String,
) -> Result<()> {
    let (row, id) = (workspace_row(workspace, journal_id)?, workspace.id.as_str());
    row.insert(db).await?;
    pr_row(id, workspace.pr.clone())?.insert(db).await?;
    ratchet_row(id, workspace.ratchet.clone())?
        .insert(db)
        .await?;
    run_script_row(id, workspace.run_script.clone())?
        .insert(db)
        .await?;
    Ok(())
}

/// Writes the rows of a workspace again, but for what is this side's own: owner, epoch, hand-off,
/// journal and processes.
pub(super) async fn update_rows<C: ConnectionTrait>(db: &C, workspace: &Workspace) -> Result<()> {
    let id = workspace.id.as_str();
    let row = workspace::ActiveModel {
        owner: NotSet,
        epoch: NotSet,
        handoff_id: NotSet,
        journal_id: NotSet,
        init_script_pid: NotSet,
        init_process: NotSet,
        archiving_from: NotSet,
        ..workspace_row(workspace, String::new())?
    };
    row.update(db).await?;
    pr_row(id, workspace.pr.clone())?.update(db).await?;
    ratchet_row(id, workspace.ratchet.clone())?
        .update(db)
        .await?;
    let script = workspace_run_script::ActiveModel {
        pid: NotSet,
        process: NotSet,
        port: NotSet,
        started_at: NotSet,
        status: NotSet,
        ..run_script_row(id, workspace.run_script.clone())?
    };
    script.update(db).await?;
    Ok(())
}

fn workspace_row(workspace: &Workspace, journal_id: String) -> Result<workspace::ActiveModel> {
    let w = workspace.clone();
    Ok(workspace::ActiveModel {
        id: Set(w.id.into()),
        project_id: Set(w.project_id.into()),
        name: Set(w.name),
        description: Set(w.description),
        status: Set(text::name(&w.status)?),
        worktree_path: Set(w.worktree_path),
        branch_name: Set(w.branch_name),
        creation_source: Set(text::name(&w.creation_source)?),
        has_had_sessions: Set(w.has_had_sessions),
        owner: Set(w.owner.to_string()),
        epoch: Set(signed(w.epoch)),
        handoff_id: Set(w.handoff_id.map(String::from)),
        journal_id: Set(journal_id),
        is_auto_generated_branch: Set(w.is_auto_generated_branch),
        creation_metadata: Set(w.creation_metadata.as_ref().map(text::json).transpose()?),
        init_error_message: Set(w.init.error_message),
        init_started_at: Set(w.init.started_at),
        init_completed_at: Set(w.init.completed_at),
        init_script_pid: Set(w.init.script_pid),
        init_process: Set(None),
        acting_process: Set(None),
        init_retry_count: Set(w.init.retry_count),
        github_issue_number: Set(w.issue.github_number),
        github_issue_url: Set(w.issue.github_url),
        linear_issue_id: Set(w.issue.linear_id),
        linear_issue_identifier: Set(w.issue.linear_identifier),
        linear_issue_url: Set(w.issue.linear_url),
        default_session_provider: Set(text::name(&w.default_session_provider)?),
        ratchet_session_provider: Set(text::name(&w.ratchet_session_provider)?),
        parent_workspace_id: Set(w.parent_workspace_id.map(String::from)),
        mode: Set(text::name(&w.mode)?),
        auto_iteration_config: Set(w
            .auto_iteration_config
            .as_ref()
            .map(text::json)
            .transpose()?),
        archiving_from: Set(None),
        created_at: Set(w.created_at),
        updated_at: Set(w.updated_at),
    })
}

fn pr_row(id: &str, pr: PullRequest) -> Result<workspace_pr::ActiveModel> {
    Ok(workspace_pr::ActiveModel {
        workspace_id: Set(id.to_owned()),
        url: Set(pr.url),
        number: Set(pr.number),
        state: Set(text::name(&pr.state)?),
        review_state: Set(pr.review_state),
        ci_status: Set(text::name(&pr.ci_status)?),
        has_merge_conflict: Set(pr.has_merge_conflict),
        synced_at: Set(pr.synced_at),
        discovery_last_checked_at: Set(pr.discovery_last_checked_at),
        discovery_retry_count: Set(pr.discovery_retry_count),
        discovery_next_check_at: Set(pr.discovery_next_check_at),
        ci_failed_at: Set(pr.ci_failed_at),
        ci_last_notified_at: Set(pr.ci_last_notified_at),
        review_last_checked_at: Set(pr.review_last_checked_at),
        review_last_comment_id: Set(pr.review_last_comment_id),
    })
}

pub(super) fn ratchet_row(id: &str, ratchet: Ratchet) -> Result<workspace_ratchet::ActiveModel> {
    Ok(workspace_ratchet::ActiveModel {
        workspace_id: Set(id.to_owned()),
        enabled: Set(ratchet.enabled),
        last_checked_at: Set(ratchet.last_checked_at),
        active_session_id: Set(ratchet.active_session_id.map(String::from)),
        dispatch_snapshot_key: Set(ratchet.dispatch_snapshot_key),
        dispatch_outcome: Set(ratchet
            .dispatch_outcome
            .as_ref()
            .map(text::name)
            .transpose()?),
        dispatch_retry_count: Set(ratchet.dispatch_retry_count),
        dispatch_stalled: Set(ratchet.dispatch_stalled),
    })
}

fn run_script_row(id: &str, script: RunScript) -> Result<workspace_run_script::ActiveModel> {
    Ok(workspace_run_script::ActiveModel {
        workspace_id: Set(id.to_owned()),
        command: Set(script.command),
        post_run_command: Set(script.post_run_command),
        cleanup_command: Set(script.cleanup_command),
        pid: Set(script.pid),
        process: Set(None),
        port: Set(script.port),
        started_at: Set(script.started_at),
        status: Set(text::name(&script.status)?),
    })
}

pub(super) fn assemble(
    row: workspace::Model,
    pr: Option<workspace_pr::Model>,
    ratchet: Option<workspace_ratchet::Model>,
    run_script: Option<workspace_run_script::Model>,
) -> Result<Workspace> {
    let owner: Owner = text::parse(row.owner)?;
    Ok(Workspace {
        id: text::parse(row.id)?,
        project_id: text::parse(row.project_id)?,
        name: row.name,
        description: row.description,
        status: text::parse(row.status)?,
        worktree_path: row.worktree_path,
        branch_name: row.branch_name,
        is_auto_generated_branch: row.is_auto_generated_branch,
        creation_source: text::parse(row.creation_source)?,
        creation_metadata: json_opt(row.creation_metadata)?,
        init: Init {
            error_message: row.init_error_message,
            started_at: row.init_started_at,
            completed_at: row.init_completed_at,
            script_pid: row.init_script_pid,
            retry_count: row.init_retry_count,
        },
        issue: IssueLink {
            github_number: row.github_issue_number,
            github_url: row.github_issue_url,
            linear_id: row.linear_issue_id,
            linear_identifier: row.linear_issue_identifier,
            linear_url: row.linear_issue_url,
        },
        default_session_provider: text::parse(row.default_session_provider)?,
        ratchet_session_provider: text::parse(row.ratchet_session_provider)?,
        parent_workspace_id: text::parse_opt(row.parent_workspace_id)?,
        mode: text::parse(row.mode)?,
        auto_iteration_config: json_opt(row.auto_iteration_config)?,
        has_had_sessions: row.has_had_sessions,
        location: owner.location(),
        owner,
        epoch: row.epoch.unsigned_abs(),
        handoff_id: text::parse_opt(row.handoff_id)?,
        pr: or_default(pr)?,
        ratchet: or_default(ratchet)?,
        run_script: or_default(run_script)?,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// What a row beside a workspace holds; without one, nothing.
fn or_default<M, T: TryFrom<M, Error = Error> + Default>(row: Option<M>) -> Result<T> {
    Ok(row.map(T::try_from).transpose()?.unwrap_or_default())
}

fn json_opt(text: Option<String>) -> Result<Option<serde_json::Value>> {
    text.as_deref().map(text::from_json).transpose()
}

impl TryFrom<workspace_pr::Model> for PullRequest {
    type Error = Error;
    fn try_from(row: workspace_pr::Model) -> Result<Self> {
        Ok(Self {
            url: row.url,
            number: row.number,
            state: text::parse(row.state)?,
            review_state: row.review_state,
            ci_status: text::parse(row.ci_status)?,
            has_merge_conflict: row.has_merge_conflict,
            synced_at: row.synced_at,
            discovery_last_checked_at: row.discovery_last_checked_at,
            discovery_retry_count: row.discovery_retry_count,
            discovery_next_check_at: row.discovery_next_check_at,
            ci_failed_at: row.ci_failed_at,
            ci_last_notified_at: row.ci_last_notified_at,
            review_last_checked_at: row.review_last_checked_at,
            review_last_comment_id: row.review_last_comment_id,
        })
    }
}

impl TryFrom<workspace_ratchet::Model> for Ratchet {
    type Error = Error;
    fn try_from(row: workspace_ratchet::Model) -> Result<Self> {
        Ok(Self {
            enabled: row.enabled,
            last_checked_at: row.last_checked_at,
            active_session_id: text::parse_opt(row.active_session_id)?,
            dispatch_snapshot_key: row.dispatch_snapshot_key,
            dispatch_outcome: text::parse_opt(row.dispatch_outcome)?,
            dispatch_retry_count: row.dispatch_retry_count,
            dispatch_stalled: row.dispatch_stalled,
        })
    }
}

impl TryFrom<workspace_run_script::Model> for RunScript {
    type Error = Error;
    fn try_from(row: workspace_run_script::Model) -> Result<Self> {
        Ok(Self {
            command: row.command,
            post_run_command: row.post_run_command,
            cleanup_command: row.cleanup_command,
            pid: row.pid,
            port: row.port,
            started_at: row.started_at,
            status: text::parse(row.status)?,
        })
    }
}
