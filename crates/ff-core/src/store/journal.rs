//! The journal: what was said in a workspace, in order.

use std::sync::Arc;

use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::{SessionId, WorkspaceId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{journal, workspace};
use super::{Store, Write, text};
use crate::error::{Error, Result};

impl Store {
    /// Enters something in a workspace's journal. On disk, and told of, when it returns.
    ///
    /// # Errors
    /// The workspace is unknown, or the store failed.
    pub async fn append(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        kind: EntryKind,
        payload: serde_json::Value,
    ) -> Result<Arc<JournalEntry>> {
        let write = Write::of(workspace, session, kind, payload);
        let entries = self.write(write).await?;
        let entry = entries.into_iter().next();
        entry.ok_or_else(|| sea_orm::DbErr::RecordNotInserted.into())
    }

    /// Writes entries and rows together. On disk, and told of, when it returns; `seq` is gapless.
    ///
    /// # Errors
    /// The workspace or session is unknown, or the store failed.
    pub(crate) async fn write(&self, write: Write) -> Result<Vec<Arc<JournalEntry>>> {
        self.writer.write(write).await
    }

    /// Entries after `after`, in order, at most `limit`; of one session or of the workspace.
    pub async fn entries(
        &self,
        workspace: &WorkspaceId,
        session: Option<&SessionId>,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let mut query = journal::Entity::find()
            .filter(journal::Column::WorkspaceId.eq(workspace.as_str()))
            .filter(journal::Column::Seq.gt(after))
            .order_by_asc(journal::Column::Seq)
            .limit(limit);
        if let Some(session) = session {
            query = query.filter(journal::Column::SessionId.eq(session.as_str()));
        }
        query
            .all(&self.db)
            .await?
            .into_iter()
            .map(JournalEntry::try_from)
            .collect()
    }

    /// Identity of a workspace's journal: `seq` of another one mean nothing.
    ///
    /// # Errors
    /// The workspace is unknown.
    pub async fn journal_id(&self, id: &WorkspaceId) -> Result<String> {
        let row = workspace::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(|row| row.journal_id)
            .ok_or_else(|| super::workspaces::unknown(id))
    }
}

impl TryFrom<journal::Model> for JournalEntry {
    type Error = Error;
    fn try_from(row: journal::Model) -> Result<Self> {
        Ok(Self {
            seq: row.seq.unsigned_abs(),
            session_id: text::parse(row.session_id)?,
            kind: text::parse(row.kind)?,
            payload: text::from_json(&row.payload)?,
            created_at: row.created_at,
        })
    }
}
