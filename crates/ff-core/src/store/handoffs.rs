//! Hand-offs this machine takes part in, and the one transaction that takes a workspace in.

use ff_protocol::handoff::Manifest;
use ff_protocol::project::Project;
use ff_protocol::session::{JournalEntry, Session};
use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{HandoffId, ProjectId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, TransactionTrait,
    sea_query::{Expr, OnConflict},
};
use serde::{Deserialize, Serialize};

use super::conversation::{self, Item};
use super::entity::{handoff, journal, workspace};
use super::workspace_rows::insert_rows;
use super::workspaces::signed;
use super::{Store, projects, sessions, text};
use crate::clock;
use crate::error::{Error, Result};

/// Which part a machine plays in a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// It gives the workspace away.
    Sender,
    /// It takes the workspace in.
    Receiver,
}

/// A hand-off as this machine remembers it.
#[derive(Debug, Clone)]
pub struct HandoffRecord {
    /// Its id.
    pub id: HandoffId,
    /// The workspace that moves.
    pub workspace_id: WorkspaceId,
    /// That workspace's project.
    pub project_id: ProjectId,
    /// This machine's part.
    pub role: Role,
    /// Epoch of the workspace once committed.
    pub epoch: u64,
    /// What moves, once that is known.
    pub manifest: Option<Manifest>,
    /// How it ended; `None` while under way.
    pub committed: Option<bool>,
}

impl Store {
    /// Remembers a hand-off; the same id again changes nothing.
    pub async fn insert_handoff(&self, record: &HandoffRecord) -> Result<()> {
        insert(&self.db, record).await
    }

    /// Marks a workspace as moving and remembers the hand-off, both or neither: a
    /// compare-and-swap on owner, epoch and "in no other hand-off". `false` when it lost.
    pub async fn begin_handoff(
        &self,
        record: &HandoffRecord,
        owner: &Owner,
        epoch: u64,
    ) -> Result<bool> {
        let tx = self.db.begin().await?;
        let claimed =
            super::workspaces::claim(&tx, &record.workspace_id, owner, epoch, &record.id).await?;
        if claimed {
            insert(&tx, record).await?;
            tx.commit().await?;
            self.feed.workspace_changed(&record.workspace_id);
        }
        Ok(claimed)
    }

    /// A hand-off by its id.
    pub async fn handoff(&self, id: &HandoffId) -> Result<Option<HandoffRecord>> {
        let row = handoff::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(HandoffRecord::try_from).transpose()
    }

    /// Hand-offs still under way, oldest first.
    pub async fn unfinished_handoffs(&self) -> Result<Vec<HandoffRecord>> {
        let query = handoff::Entity::find()
            .filter(handoff::Column::Committed.is_null())
            .order_by_asc(handoff::Column::CreatedAt);
        query
            .all(&self.db)
            .await?
            .into_iter()
            .map(HandoffRecord::try_from)
            .collect()
    }

    /// The last hand-off that was committed in which this machine had a role for a workspace.
    pub async fn last_of(
        &self,
        workspace: &WorkspaceId,
        role: Role,
    ) -> Result<Option<HandoffRecord>> {
        let query = handoff::Entity::find()
            .filter(handoff::Column::WorkspaceId.eq(workspace.as_str()))
            .filter(handoff::Column::Role.eq(text::name(&role)?))
            .filter(handoff::Column::Committed.eq(true))
            .order_by_desc(handoff::Column::Epoch);
        let row = query.one(&self.db).await?;
        row.map(HandoffRecord::try_from).transpose()
    }

    /// Writes down what moves.
    pub async fn set_handoff_manifest(&self, id: &HandoffId, manifest: &Manifest) -> Result<()> {
        handoff::Entity::update_many()
            .col_expr(
                handoff::Column::Manifest,
                Expr::value(text::json(manifest)?),
            )
            .col_expr(handoff::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(handoff::Column::Id.eq(id.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Writes down how a hand-off ended.
    pub async fn finish_handoff(&self, id: &HandoffId, committed: bool) -> Result<()> {
        set_committed(&self.db, id, committed).await
    }

    /// Takes a workspace in: project (if it is new here), workspace, sessions with all that was said, all or
    /// nothing, in place of what was known of the workspace before. The hand-off counts as
    /// committed from that moment: taking in once more would undo what was done since.
    pub(crate) async fn take_in(
        &self,
        handoff: &HandoffId,
        project: &Project,
        workspace: &Workspace,
        (session_rows, entries, items): (&[Session], &[JournalEntry], &[Item]),
    ) -> Result<()> {
        let tx = self.db.begin().await?;
        let before = conversation::origins(&tx, &workspace.id).await?;
        if super::entity::project::Entity::find_by_id(project.id.as_str())
            .one(&tx)
            .await?
            .is_none()
        {
            projects::row(project)?.insert(&tx).await?;
        }
        workspace::Entity::delete_by_id(workspace.id.as_str())
            .exec(&tx)
            .await?;
        insert_rows(&tx, workspace, uuid::Uuid::now_v7().to_string()).await?;
        for session in session_rows {
            sessions::row(session)?.insert(&tx).await?;
        }
        // SQLite takes at most 32,766 values a statement; an entry has six.
        for chunk in entries.chunks(1000) {
            let rows = chunk.iter().map(|entry| journal_row(&workspace.id, entry));
            journal::Entity::insert_many(rows.collect::<Result<Vec<_>>>()?)
                .exec_without_returning(&tx)
                .await?;
        }
        conversation::enter(&tx, &workspace.id, items, &before).await?;
        set_committed(&tx, handoff, true).await?;
        tx.commit().await?;
        self.feed.workspace_changed(&workspace.id);
        Ok(())
    }
}

async fn insert<C: ConnectionTrait>(db: &C, record: &HandoffRecord) -> Result<()> {
    let now = clock::now();
    let row = handoff::ActiveModel {
        id: Set(record.id.to_string()),
        workspace_id: Set(record.workspace_id.to_string()),
        project_id: Set(record.project_id.to_string()),
        role: Set(text::name(&record.role)?),
        epoch: Set(signed(record.epoch)),
        manifest: Set(record.manifest.as_ref().map(text::json).transpose()?),
        committed: Set(record.committed),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let same = OnConflict::column(handoff::Column::Id)
        .do_nothing()
        .to_owned();
    handoff::Entity::insert(row)
        .on_conflict(same)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn set_committed<C: ConnectionTrait>(db: &C, id: &HandoffId, committed: bool) -> Result<()> {
    handoff::Entity::update_many()
        .col_expr(handoff::Column::Committed, Expr::value(committed))
        .col_expr(handoff::Column::UpdatedAt, Expr::value(clock::now()))
        .filter(handoff::Column::Id.eq(id.as_str()))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) fn journal_row(
    workspace: &WorkspaceId,
    entry: &JournalEntry,
) -> Result<journal::ActiveModel> {
    Ok(journal::ActiveModel {
        workspace_id: Set(workspace.to_string()),
        seq: Set(signed(entry.seq)),
        session_id: Set(entry.session_id.to_string()),
        kind: Set(text::name(&entry.kind)?),
        payload: Set(text::json(&entry.payload)?),
        created_at: Set(entry.created_at),
    })
}

impl TryFrom<handoff::Model> for HandoffRecord {
    type Error = Error;
    fn try_from(row: handoff::Model) -> Result<Self> {
        Ok(Self {
            id: text::parse(row.id)?,
            workspace_id: text::parse(row.workspace_id)?,
            project_id: text::parse(row.project_id)?,
            role: text::parse(row.role)?,
            epoch: row.epoch.unsigned_abs(),
            manifest: row.manifest.as_deref().map(text::from_json).transpose()?,
            committed: row.committed,
        })
    }
}
