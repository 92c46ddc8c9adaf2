//! Messages of users: those that wait for their turn, and what became of the others.

use ff_protocol::session::{MessageState, Unfinished};
use ff_protocol::{ClientId, SessionId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, sea_query::Expr,
};

use super::entity::{journal, message};
use super::{Store, text};
use crate::error::Result;

/// A message of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageRecord {
    /// The session it is for.
    pub(crate) session: SessionId,
    /// Its id in the transcript.
    pub(crate) uuid: String,
    /// Its place in the journal.
    pub(crate) seq: u64,
    /// The text.
    pub(crate) text: String,
}

impl Store {
    /// The message that a client entered under this id.
    pub(crate) async fn message(
        &self,
        workspace: &WorkspaceId,
        id: &ClientId,
    ) -> Result<Option<MessageRecord>> {
        let key = (workspace.to_string(), id.to_string());
        match message::Entity::find_by_id(key).one(&self.db).await? {
            Some(row) => Ok(Some(self.with_text(row).await?)),
            None => Ok(None),
        }
    }

    /// Messages of a session that wait, oldest first.
    pub(crate) async fn queued(&self, session: &SessionId) -> Result<Vec<MessageRecord>> {
        let rows = message::Entity::find()
            .filter(message::Column::SessionId.eq(session.as_str()))
            .filter(message::Column::State.eq(text::name(&MessageState::Queued)?))
            .order_by_asc(message::Column::Seq)
            .all(&self.db)
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            records.push(self.with_text(row).await?);
        }
        Ok(records)
    }

    /// The messages of a session whose turn has not ended by itself, in the journal's order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn unfinished(&self, session: &SessionId) -> Result<Vec<Unfinished>> {
        let rows = message::Entity::find()
            .filter(message::Column::SessionId.eq(session.as_str()))
            .filter(message::Column::State.ne(text::name(&MessageState::Done)?))
            .order_by_asc(message::Column::Seq)
            .all(&self.db)
            .await?;
        let unfinished = rows.into_iter().map(|row| {
            Ok(Unfinished {
                seq: row.seq.unsigned_abs(),
                state: text::parse(row.state)?,
            })
        });
        unfinished.collect()
    }

    /// Sessions with messages that wait.
    pub(crate) async fn sessions_with_queue(&self) -> Result<Vec<SessionId>> {
        let rows = message::Entity::find()
            .filter(message::Column::State.eq(text::name(&MessageState::Queued)?))
            .order_by_asc(message::Column::SessionId)
            .all(&self.db)
            .await?;
        let mut ids: Vec<String> = rows.into_iter().map(|row| row.session_id).collect();
        ids.dedup();
        ids.into_iter().map(text::parse).collect()
    }

    async fn with_text(&self, row: message::Model) -> Result<MessageRecord> {
        let entry = journal::Entity::find_by_id((row.workspace_id, row.seq))
            .one(&self.db)
            .await?;
        let payload: serde_json::Value = match entry {
            Some(entry) => text::from_json(&entry.payload)?,
            None => serde_json::Value::Null,
        };
        Ok(MessageRecord {
            session: text::parse(row.session_id)?,
            uuid: row.uuid,
            seq: row.seq.unsigned_abs(),
            text: payload["text"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

pub(super) async fn insert<C: ConnectionTrait>(
    db: &C,
    workspace: &WorkspaceId,
    session: &SessionId,
    id: &ClientId,
    uuid: &str,
    seq: u64,
) -> Result<()> {
    let row = message::ActiveModel {
        workspace_id: Set(workspace.to_string()),
        id: Set(id.to_string()),
        session_id: Set(session.to_string()),
        uuid: Set(uuid.to_owned()),
        seq: Set(seq.cast_signed()),
        state: Set(text::name(&MessageState::Queued)?),
    };
    row.insert(db).await?;
    Ok(())
}

pub(super) async fn set_state<C: ConnectionTrait>(
    db: &C,
    uuid: &str,
    state: MessageState,
) -> Result<()> {
    message::Entity::update_many()
        .col_expr(message::Column::State, Expr::value(text::name(&state)?))
        .filter(message::Column::Uuid.eq(uuid))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) async fn rename<C: ConnectionTrait>(db: &C, uuid: &str, to: &str) -> Result<()> {
    message::Entity::update_many()
        .col_expr(message::Column::Uuid, Expr::value(to))
        .filter(message::Column::Uuid.eq(uuid))
        .exec(db)
        .await?;
    Ok(())
}
