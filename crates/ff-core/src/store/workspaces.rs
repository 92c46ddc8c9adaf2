//! Workspaces with the rows beside them, which are made and read together.

use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, HandoffId, WorkspaceId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait, sea_query::Expr,
};

use super::entity::{workspace, workspace_pr, workspace_ratchet, workspace_run_script};
use super::workspace_rows::{assemble, insert_rows};
use super::{Store, text};
use crate::clock;
use crate::error::{Error, Result};

pub(crate) fn unknown(id: &WorkspaceId) -> Error {
    Error::refused(ErrorCode::NotFound, format!("there is no workspace {id}"))
        .hint("list them with `ff workspace list`")
}

impl Store {
    /// Adds a workspace with the rows beside it and a new journal.
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
        let run_script = workspace_run_script::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        assemble(row, pr, ratchet, run_script).map(Some)
    }

    /// A workspace that must exist.
    ///
    /// # Errors
    /// `not_found` when it does not.
    pub async fn known_workspace(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.workspace(id).await?.ok_or_else(|| unknown(id))
    }

    /// The workspaces that have one of these statuses, oldest first.
    pub async fn workspaces_with(&self, statuses: &[WorkspaceStatus]) -> Result<Vec<Workspace>> {
        let names: Result<Vec<String>> = statuses.iter().map(text::name).collect();
        let ids: Vec<String> = workspace::Entity::find()
            .select_only()
            .column(workspace::Column::Id)
            .filter(workspace::Column::Status.is_in(names?))
            .order_by_asc(workspace::Column::CreatedAt)
            .into_tuple()
            .all(&self.db)
            .await?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.workspace(&text::parse(id)?).await?);
        }
        Ok(found)
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

    /// Writes down where a workspace's worktree is.
    pub(crate) async fn set_worktree(&self, id: &WorkspaceId, path: &str) -> Result<()> {
        workspace::Entity::update_many()
            .col_expr(workspace::Column::WorktreePath, Expr::value(path))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Removes a workspace with everything that belongs to it. Its children have no parent then.
    pub async fn delete_workspace(&self, id: &WorkspaceId) -> Result<()> {
        let tx = self.db.begin().await?;
        workspace::Entity::update_many()
            .col_expr(
                workspace::Column::ParentWorkspaceId,
                Expr::value(Option::<String>::None),
            )
            .filter(workspace::Column::ParentWorkspaceId.eq(id.as_str()))
            .exec(&tx)
            .await?;
        workspace::Entity::delete_by_id(id.as_str())
            .exec(&tx)
            .await?;
        tx.commit().await?;
        self.feed.workspace_changed(id);
        Ok(())
    }
}

/// Claims a workspace for a hand-off: compare-and-swap on owner, epoch, `READY` and "in no other
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
        .filter(workspace::Column::Status.eq(text::name(&WorkspaceStatus::Ready)?))
        .filter(workspace::Column::Owner.eq(owner.to_string()))
        .filter(workspace::Column::Epoch.eq(signed(epoch)))
        .filter(free)
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

pub(super) fn signed(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}
