//! Workspaces with their PR and ratchet rows, which are made and read together.

use std::collections::HashMap;

use ff_protocol::workspace::{Owner, PullRequest, Ratchet, Workspace};
use ff_protocol::{ErrorCode, HandoffId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, TransactionTrait, sea_query::Expr,
};

use super::entity::{workspace, workspace_pr, workspace_ratchet};
use super::{Store, text};
use crate::clock;
use crate::error::{Error, Result};

pub(crate) fn unknown(id: &WorkspaceId) -> Error {
    Error::refused(ErrorCode::NotFound, format!("there is no workspace {id}"))
        .hint("list them with `ff workspace list`")
}

impl Store {
    /// Adds a workspace with its PR and ratchet rows and a new journal.
    pub async fn insert_workspace(&self, workspace: &Workspace) -> Result<()> {
        let tx = self.db.begin().await?;
        insert_rows(&tx, workspace, uuid::Uuid::now_v7().to_string()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A workspace by its id.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>> {
        let Some(row) = workspace::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?
        else {
            return Ok(None);
        };
        let pr = workspace_pr::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        let ratchet = workspace_ratchet::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        assemble(row, pr, ratchet).map(Some)
    }

    /// A workspace that must exist.
    ///
    /// # Errors
    /// `not_found` when it does not.
    pub async fn known_workspace(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.workspace(id).await?.ok_or_else(|| unknown(id))
    }

    /// All workspaces, oldest first.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        let mut prs = by_workspace(workspace_pr::Entity::find().all(&self.db).await?, |row| {
            &row.workspace_id
        });
        let mut ratchets = by_workspace(
            workspace_ratchet::Entity::find().all(&self.db).await?,
            |row| &row.workspace_id,
        );
        let rows = workspace::Entity::find()
            .order_by_asc(workspace::Column::CreatedAt)
            .order_by_asc(workspace::Column::Id)
            .all(&self.db)
            .await?;
        rows.into_iter()
            .map(|row| {
                let (pr, ratchet) = (prs.remove(&row.id), ratchets.remove(&row.id));
                assemble(row, pr, ratchet)
            })
            .collect()
    }

    /// Marks that a session was started in the workspace.
    pub async fn mark_had_sessions(&self, id: &WorkspaceId) -> Result<()> {
        workspace::Entity::update_many()
            .col_expr(workspace::Column::HasHadSessions, Expr::value(true))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Ends a hand-off of a workspace: with `owner` and `epoch` when ownership moved, else only
    /// the mark is taken away. `false` when the workspace was not in that hand-off.
    pub async fn release_workspace(
        &self,
        id: &WorkspaceId,
        handoff: &HandoffId,
        moved: Option<(&Owner, u64)>,
    ) -> Result<bool> {
        let mut update = workspace::Entity::update_many()
            .col_expr(
                workspace::Column::HandoffId,
                Expr::value(Option::<String>::None),
            )
            .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::HandoffId.eq(handoff.as_str()));
        if let Some((owner, epoch)) = moved {
            update = update
                .col_expr(workspace::Column::Owner, Expr::value(owner.to_string()))
                .col_expr(workspace::Column::Epoch, Expr::value(signed(epoch)));
        }
        let released = update.exec(&self.db).await?.rows_affected == 1;
        if released {
            self.feed.workspace_changed(id);
        }
        Ok(released)
    }

    /// Removes a workspace with everything that belongs to it.
    pub async fn delete_workspace(&self, id: &WorkspaceId) -> Result<()> {
        workspace::Entity::delete_by_id(id.as_str())
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

/// Claims a workspace for a hand-off: compare-and-swap on owner, epoch and "in no other
/// hand-off". `false` when it lost.
pub(super) async fn claim<C: ConnectionTrait>(
    db: &C,
    id: &WorkspaceId,
    owner: &Owner,
    epoch: u64,
    handoff: &HandoffId,
) -> Result<bool> {
    let free = workspace::Column::HandoffId
        .is_null()
        .or(workspace::Column::HandoffId.eq(handoff.as_str()));
    let done = workspace::Entity::update_many()
        .col_expr(workspace::Column::HandoffId, Expr::value(handoff.as_str()))
        .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
        .filter(workspace::Column::Id.eq(id.as_str()))
        .filter(workspace::Column::Owner.eq(owner.to_string()))
        .filter(workspace::Column::Epoch.eq(signed(epoch)))
        .filter(free)
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

fn by_workspace<T>(rows: Vec<T>, id: impl Fn(&T) -> &String) -> HashMap<String, T> {
    rows.into_iter()
        .map(|row| (id(&row).clone(), row))
        .collect()
}

pub(super) fn signed(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

/// Writes the three rows of a workspace.
pub(super) async fn insert_rows<C: ConnectionTrait>(
    db: &C,
    workspace: &Workspace,
    journal_id: String,
) -> Result<()> {
    let w = workspace.clone();
    let id = String::from(w.id);
    let row = workspace::ActiveModel {
        id: Set(id.clone()),
        project_id: Set(w.project_id.into()),
        name: Set(w.name),
        description: Set(w.description),
        status: Set(text::name(&w.status)?),
        worktree_path: Set(w.worktree_path),
        branch_name: Set(w.branch_name),
        creation_source: Set(w.creation_source),
        has_had_sessions: Set(w.has_had_sessions),
        owner: Set(w.owner.to_string()),
        epoch: Set(signed(w.epoch)),
        handoff_id: Set(w.handoff_id.map(String::from)),
        journal_id: Set(journal_id),
        created_at: Set(w.created_at),
        updated_at: Set(w.updated_at),
    };
    row.insert(db).await?;
    pr_row(&id, w.pr)?.insert(db).await?;
    ratchet_row(&id, w.ratchet)?.insert(db).await?;
    Ok(())
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

fn ratchet_row(id: &str, ratchet: Ratchet) -> Result<workspace_ratchet::ActiveModel> {
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

fn assemble(
    row: workspace::Model,
    pr: Option<workspace_pr::Model>,
    ratchet: Option<workspace_ratchet::Model>,
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
        creation_source: row.creation_source,
        has_had_sessions: row.has_had_sessions,
        location: owner.location(),
        owner,
        epoch: row.epoch.unsigned_abs(),
        handoff_id: text::parse_opt(row.handoff_id)?,
        pr: pr
            .map(PullRequest::try_from)
            .transpose()?
            .unwrap_or_default(),
        ratchet: ratchet
            .map(Ratchet::try_from)
            .transpose()?
            .unwrap_or_default(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
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
