//! What belongs to a workspace's sessions beside the journal, as it travels.

use ff_protocol::session::MessageState;
use ff_protocol::{ClientId, RequestId, SessionId, TerminalId, Timestamp, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entity::{
    message, request, session, session_origin, terminal_session, workspace_init_output,
};
use super::requests::{self, RequestRecord};
use super::workspaces::signed;
use super::{Store, text};
use crate::error::Result;

/// One thing that belongs to a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Item {
    /// A message of the user, and what became of it.
    Message(MessageRow),
    /// What a CLI asked, and what became of it.
    Request(Box<RequestRecord>),
    /// Where a session comes from that was imported.
    Origin(OriginRow),
    /// A terminal of the application that it was imported from.
    Terminal(TerminalRow),
    /// What the scripts printed that made the workspace ready.
    InitOutput(String),
}

/// A message of the user; its text is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageRow {
    pub(crate) id: ClientId,
    pub(crate) session: SessionId,
    pub(crate) uuid: String,
    pub(crate) seq: u64,
    pub(crate) state: MessageState,
}

/// What an import says of a session. Its path on the machine that it comes from does not travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OriginRow {
    pub(crate) session: SessionId,
    pub(crate) kind: String,
    pub(crate) provider: String,
    pub(crate) metadata: Option<Value>,
}

/// A terminal of an imported workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TerminalRow {
    pub(crate) id: TerminalId,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Store {
    /// All that belongs to a workspace's conversations beside the journal, in a fixed order.
    pub(crate) async fn conversation(&self, id: &WorkspaceId) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let messages = message::Entity::find()
            .filter(message::Column::WorkspaceId.eq(id.as_str()))
            .order_by_asc(message::Column::Seq)
            .order_by_asc(message::Column::Id);
        for row in messages.all(&self.db).await? {
            items.push(Item::Message(MessageRow {
                id: text::parse(row.id)?,
                session: text::parse(row.session_id)?,
                uuid: row.uuid,
                seq: row.seq.unsigned_abs(),
                state: text::parse(row.state)?,
            }));
        }
        let requests = request::Entity::find()
            .filter(request::Column::WorkspaceId.eq(id.as_str()))
            .order_by_asc(request::Column::CreatedAt)
            .order_by_asc(request::Column::Id);
        for row in requests.all(&self.db).await? {
            items.push(Item::Request(Box::new(row.try_into()?)));
        }
        for row in origins(&self.db, id).await? {
            items.push(Item::Origin(OriginRow {
                session: text::parse(row.session_id)?,
                kind: row.kind,
                provider: row.provider,
                metadata: row.metadata.as_deref().map(text::from_json).transpose()?,
            }));
        }
        let terminals = terminal_session::Entity::find()
            .filter(terminal_session::Column::WorkspaceId.eq(id.as_str()))
            .order_by_asc(terminal_session::Column::Id);
        for row in terminals.all(&self.db).await? {
            items.push(Item::Terminal(TerminalRow {
                id: text::parse(row.id)?,
                name: row.name,
                status: row.status,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }));
        }
        let output = workspace_init_output::Entity::find_by_id(id.as_str());
        items.extend(
            output
                .one(&self.db)
                .await?
                .map(|row| Item::InitOutput(row.output)),
        );
        Ok(items)
    }

    /// The workspace that a request belongs to, if it is known.
    pub(crate) async fn workspace_of_request(&self, id: &RequestId) -> Result<Option<WorkspaceId>> {
        let row = request::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(|row| text::parse(row.workspace_id)).transpose()
    }

    /// The workspace that an imported terminal belongs to, if it is known.
    pub(crate) async fn workspace_of_terminal_row(
        &self,
        id: &TerminalId,
    ) -> Result<Option<WorkspaceId>> {
        let row = terminal_session::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(|row| text::parse(row.workspace_id)).transpose()
    }
}

/// What imports said of the sessions of a workspace.
pub(super) async fn origins<C: ConnectionTrait>(
    db: &C,
    id: &WorkspaceId,
) -> Result<Vec<session_origin::Model>> {
    let rows = session_origin::Entity::find()
        .inner_join(session::Entity)
        .filter(session::Column::WorkspaceId.eq(id.as_str()))
        .order_by_asc(session_origin::Column::SessionId);
    Ok(rows.all(db).await?)
}

/// Enters items of a workspace that has none; `before` are the origins it had here, which know the
/// paths on this machine.
pub(super) async fn enter<C: ConnectionTrait>(
    db: &C,
    workspace: &WorkspaceId,
    items: &[Item],
    before: &[session_origin::Model],
) -> Result<()> {
    for item in items {
        match item {
            Item::Message(row) => {
                let row = message::ActiveModel {
                    workspace_id: Set(workspace.to_string()),
                    id: Set(row.id.to_string()),
                    session_id: Set(row.session.to_string()),
                    uuid: Set(row.uuid.clone()),
                    seq: Set(signed(row.seq)),
                    state: Set(text::name(&row.state)?),
                };
                row.insert(db).await?;
            }
            Item::Request(record) => requests::upsert(db, record).await?,
            Item::Origin(row) => {
                let known = before
                    .iter()
                    .find(|it| it.session_id == row.session.as_str());
                let row = session_origin::ActiveModel {
                    session_id: Set(row.session.to_string()),
                    kind: Set(row.kind.clone()),
                    provider: Set(row.provider.clone()),
                    project_path: Set(known.and_then(|it| it.project_path.clone())),
                    metadata: Set(row.metadata.as_ref().map(text::json).transpose()?),
                };
                row.insert(db).await?;
            }
            Item::Terminal(row) => {
                let row = terminal_session::ActiveModel {
                    id: Set(row.id.to_string()),
                    workspace_id: Set(workspace.to_string()),
                    name: Set(row.name.clone()),
                    status: Set(row.status.clone()),
                    created_at: Set(row.created_at),
                    updated_at: Set(row.updated_at),
                };
                row.insert(db).await?;
            }
            Item::InitOutput(output) => {
                let row = workspace_init_output::ActiveModel {
                    workspace_id: Set(workspace.to_string()),
                    output: Set(output.clone()),
                };
                row.insert(db).await?;
            }
        }
    }
    Ok(())
}
