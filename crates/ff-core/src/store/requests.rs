//! Permission requests and questions; each takes one answer.

use ff_protocol::session::{Answer, RequestKind, RequestState, UserRequest};
use ff_protocol::{RequestId, SessionId, Timestamp, WorkspaceId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entity::request;
use super::{Store, text};
use crate::error::{Error, Result};

/// What a CLI asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// Name of the tool.
    pub(crate) tool_name: String,
    /// Its input.
    pub(crate) input: Value,
    /// The model's id of the call.
    pub(crate) tool_use_id: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
}

/// A request as the records know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestRecord {
    /// Its id.
    pub(crate) id: RequestId,
    /// Its workspace.
    pub(crate) workspace: WorkspaceId,
    /// The session that asked.
    pub(crate) session: SessionId,
    /// What it is about.
    pub(crate) kind: RequestKind,
    /// What was asked for.
    pub(crate) asked: Asked,
    /// What became of it.
    pub(crate) state: RequestState,
    /// Its answer.
    pub(crate) answer: Option<Answer>,
    /// Whether the answer came after its CLI had ended, and counts if the next one asks the same.
    pub(crate) carried: bool,
    /// When it was asked.
    pub(crate) created_at: Timestamp,
    /// When it was answered.
    pub(crate) answered_at: Option<Timestamp>,
}

impl Store {
    /// A request of a session.
    pub(crate) async fn request(
        &self,
        session: &SessionId,
        id: &RequestId,
    ) -> Result<Option<RequestRecord>> {
        let row = request::Entity::find_by_id(id.as_str())
            .filter(request::Column::SessionId.eq(session.as_str()))
            .one(&self.db)
            .await?;
        row.map(RequestRecord::try_from).transpose()
    }

    /// Requests of a workspace, or of one session of it, that take an answer, oldest first.
    pub(crate) async fn waiting_requests(
        &self,
        workspace: &WorkspaceId,
        session: Option<&SessionId>,
    ) -> Result<Vec<RequestRecord>> {
        let waiting = [RequestState::Open, RequestState::Orphaned];
        let waiting = waiting.iter().map(text::name).collect::<Result<Vec<_>>>()?;
        let mut query = request::Entity::find()
            .filter(request::Column::WorkspaceId.eq(workspace.as_str()))
            .filter(request::Column::State.is_in(waiting))
            .order_by_asc(request::Column::CreatedAt);
        if let Some(session) = session {
            query = query.filter(request::Column::SessionId.eq(session.as_str()));
        }
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(RequestRecord::try_from).collect()
    }

    /// What the sessions of all workspaces ask their users now.
    pub(crate) async fn open_requests(&self) -> Result<Vec<RequestRecord>> {
        let open = text::name(&RequestState::Open)?;
        let query = request::Entity::find().filter(request::Column::State.eq(open));
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(RequestRecord::try_from).collect()
    }

    /// Answers of a session that wait for the CLI to ask the same again.
    pub(crate) async fn carried_answers(&self, session: &SessionId) -> Result<Vec<RequestRecord>> {
        let rows = request::Entity::find()
            .filter(request::Column::SessionId.eq(session.as_str()))
            .filter(request::Column::Carried.eq(true))
            .all(&self.db)
            .await?;
        rows.into_iter().map(RequestRecord::try_from).collect()
    }
}

/// Writes every field of a request.
pub(super) async fn upsert<C: ConnectionTrait>(db: &C, record: &RequestRecord) -> Result<()> {
    use request::Column;
    let row = request::ActiveModel {
        id: Set(record.id.to_string()),
        workspace_id: Set(record.workspace.to_string()),
        session_id: Set(record.session.to_string()),
        kind: Set(text::name(&record.kind)?),
        tool: Set(text::json(&record.asked)?),
        state: Set(text::name(&record.state)?),
        answer: Set(record.answer.as_ref().map(text::json).transpose()?),
        carried: Set(record.carried),
        created_at: Set(record.created_at),
        answered_at: Set(record.answered_at),
    };
    let known = OnConflict::column(Column::Id)
        .update_columns([
            Column::State,
            Column::Answer,
            Column::Carried,
            Column::AnsweredAt,
        ])
        .to_owned();
    request::Entity::insert(row)
        .on_conflict(known)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

impl TryFrom<request::Model> for RequestRecord {
    type Error = Error;
    fn try_from(row: request::Model) -> Result<Self> {
        Ok(Self {
            id: text::parse(row.id)?,
            workspace: text::parse(row.workspace_id)?,
            session: text::parse(row.session_id)?,
            kind: text::parse(row.kind)?,
            asked: text::from_json(&row.tool)?,
            state: text::parse(row.state)?,
            answer: row.answer.as_deref().map(text::from_json).transpose()?,
            carried: row.carried,
            created_at: row.created_at,
            answered_at: row.answered_at,
        })
    }
}

impl From<RequestRecord> for UserRequest {
    fn from(record: RequestRecord) -> Self {
        Self {
            request_id: record.id,
            session_id: record.session,
            kind: record.kind,
            tool_name: record.asked.tool_name,
            tool_use_id: record.asked.tool_use_id,
            description: record.asked.description,
            input: record.asked.input,
            state: record.state,
            answered_by: record.answer.and_then(|answer| answer.by),
            created_at: record.created_at,
        }
    }
}
