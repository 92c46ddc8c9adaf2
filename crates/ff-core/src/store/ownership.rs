//! Who owns a workspace, where no hand-off of this machine says it; and the copies that stay.

use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{HandoffId, Timestamp, WorkspaceId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, TransactionTrait,
    sea_query::{Expr, OnConflict},
};

use super::entity::{handoff, retained, workspace};
use super::workspace_rows::insert_rows;
use super::workspaces::signed;
use super::{Store, text};
use crate::clock;
use crate::error::{Error, Result};

/// A copy of a workspace that another side owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The branch it was on.
    pub branch: String,
    /// The commit that left with the workspace.
    pub head: String,
    /// The other side's epoch.
    pub epoch: u64,
    /// Digest of the copy as it stayed; `None` where nobody could look.
    pub look: Option<String>,
    /// The workspace that it is becoming.
    pub restored_as: Option<WorkspaceId>,
    /// When the workspace left.
    pub left_at: Timestamp,
    /// Until when it stays; `None` while the other side has not converged.
    pub kept_until: Option<Timestamp>,
}

impl Store {
    /// Sets owner and epoch of a workspace, if its epoch is still `from`, and ends its part in any
    /// hand-off; with the copy that stays from then on, all or nothing. `false` when it lost.
    pub(crate) async fn set_owner(
        &self,
        id: &WorkspaceId,
        from: u64,
        (owner, epoch): (&Owner, u64),
        stays: Option<&Retained>,
    ) -> Result<bool> {
        let tx = self.db.begin().await?;
        let done = workspace::Entity::update_many()
            .col_expr(workspace::Column::Owner, Expr::value(owner.to_string()))
            .col_expr(workspace::Column::Epoch, Expr::value(signed(epoch)))
            .col_expr(
                workspace::Column::HandoffId,
                Expr::value(Option::<String>::None),
            )
            .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::Epoch.eq(signed(from)))
            .exec(&tx)
            .await?;
        if done.rows_affected == 0 {
            return Ok(false);
        }
        if let Some(stays) = stays {
            upsert(&tx, stays).await?;
        }
        tx.commit().await?;
        self.feed.workspace_changed(id);
        Ok(true)
    }

    /// The hand-off that led a workspace to an epoch, as far as this machine took part.
    pub(crate) async fn handoff_to(
        &self,
        workspace: &WorkspaceId,
        epoch: u64,
    ) -> Result<Option<HandoffId>> {
        let row = handoff::Entity::find()
            .filter(handoff::Column::WorkspaceId.eq(workspace.as_str()))
            .filter(handoff::Column::Epoch.eq(signed(epoch)))
            .filter(handoff::Column::Committed.eq(true))
            .one(&self.db)
            .await?;
        row.map(|row| text::parse(row.id)).transpose()
    }

    /// Writes down the copy of a workspace that stays.
    pub(crate) async fn retain(&self, copy: &Retained) -> Result<()> {
        upsert(&self.db, copy).await
    }

    /// The copy of a workspace that stayed.
    pub async fn retained(&self, id: &WorkspaceId) -> Result<Option<Retained>> {
        let row = retained::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(Retained::try_from).transpose()
    }

    /// All copies that stayed, oldest first.
    pub(crate) async fn all_retained(&self) -> Result<Vec<Retained>> {
        let rows = retained::Entity::find()
            .order_by_asc(retained::Column::LeftAt)
            .all(&self.db)
            .await?;
        rows.into_iter().map(Retained::try_from).collect()
    }

    /// Forgets the copy of a workspace.
    pub(crate) async fn forget_retained(&self, id: &WorkspaceId) -> Result<()> {
        retained::Entity::delete_by_id(id.as_str())
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Enters the workspace that a copy has become, in place of the copy.
    pub(crate) async fn enter_restored(&self, of: &WorkspaceId, new: &Workspace) -> Result<()> {
        let tx = self.db.begin().await?;
        retained::Entity::delete_by_id(of.as_str())
            .exec(&tx)
            .await?;
        insert_rows(&tx, new, uuid::Uuid::now_v7().to_string()).await?;
        tx.commit().await?;
        self.feed.workspace_changed(&new.id);
        Ok(())
    }
}

async fn upsert<C: ConnectionTrait>(db: &C, copy: &Retained) -> Result<()> {
    use retained::Column;
    let row = retained::ActiveModel {
        workspace_id: Set(copy.workspace_id.to_string()),
        branch: Set(copy.branch.clone()),
        head: Set(copy.head.clone()),
        epoch: Set(signed(copy.epoch)),
        look: Set(copy.look.clone()),
        restored_as: Set(copy.restored_as.as_ref().map(ToString::to_string)),
        left_at: Set(copy.left_at),
        kept_until: Set(copy.kept_until),
    };
    let replace = OnConflict::column(Column::WorkspaceId)
        .update_columns([
            Column::Branch,
            Column::Head,
            Column::Epoch,
            Column::Look,
            Column::RestoredAs,
            Column::LeftAt,
            Column::KeptUntil,
        ])
        .to_owned();
    retained::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

impl TryFrom<retained::Model> for Retained {
    type Error = Error;
    fn try_from(row: retained::Model) -> Result<Self> {
        Ok(Self {
            workspace_id: text::parse(row.workspace_id)?,
            branch: row.branch,
            head: row.head,
            epoch: row.epoch.unsigned_abs(),
            look: row.look,
            restored_as: text::parse_opt(row.restored_as)?,
            left_at: row.left_at,
            kept_until: row.kept_until,
        })
    }
}
