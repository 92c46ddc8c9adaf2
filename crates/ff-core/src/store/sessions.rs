//! Sessions.

use ff_protocol::session::{Session, SessionStatus};
use ff_protocol::{SessionId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use serde::{Deserialize, Serialize};

use super::entity::session;
use super::{Store, text};
use crate::error::{Error, Result};

impl Store {
    /// Adds a session.
    pub async fn insert_session(&self, session: &Session) -> Result<()> {
        session::Entity::insert(row(session)?)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }

    /// A session of a workspace.
    pub async fn session(
        &self,
        workspace: &WorkspaceId,
        id: &SessionId,
    ) -> Result<Option<Session>> {
        let query = session::Entity::find_by_id(id.as_str())
            .filter(session::Column::WorkspaceId.eq(workspace.as_str()));
        let row = query.one(&self.db).await?;
        row.map(Session::try_from).transpose()
    }

    /// A workspace's sessions, oldest first.
    pub async fn sessions(&self, workspace: &WorkspaceId) -> Result<Vec<Session>> {
        let query = session::Entity::find()
            .filter(session::Column::WorkspaceId.eq(workspace.as_str()))
            .order_by_asc(session::Column::CreatedAt)
            .order_by_asc(session::Column::Id);
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// The sessions of all workspaces that are not closed.
    pub(crate) async fn open_sessions(&self) -> Result<Vec<Session>> {
        let query = session::Entity::find().filter(session::Column::ClosedAt.is_null());
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// The workspace that a session id belongs to, if it is known.
    pub async fn workspace_of_session(&self, id: &SessionId) -> Result<Option<WorkspaceId>> {
        let row = session::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(|row| text::parse(row.workspace_id)).transpose()
    }

    /// Sessions whose row says that a process lives.
    pub async fn running_sessions(&self) -> Result<Vec<Session>> {
        let running = text::name(&SessionStatus::Running)?;
        let query = session::Entity::find().filter(session::Column::Status.eq(running));
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// The process that a session's row names.
    pub(crate) async fn process(&self, id: &SessionId) -> Result<Option<ProcessMark>> {
        let row = session::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        let process = row.and_then(|row| row.process);
        process.as_deref().map(text::from_json).transpose()
    }

    /// A session by its id alone.
    pub(crate) async fn session_anywhere(&self, id: &SessionId) -> Result<Option<Session>> {
        let row = session::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(Session::try_from).transpose()
    }
}

/// A process as it can be told from another that has its number later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessMark {
    /// Its number, and that of its group.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the machine did (`/proc/PID/stat`, field 22).
    pub(crate) start: u64,
    /// The machine's run it belongs to.
    pub(crate) boot: String,
}

/// Writes every field of a session.
pub(super) async fn update<C: ConnectionTrait>(db: &C, session: &Session) -> Result<()> {
    row(session)?.update(db).await?;
    Ok(())
}

pub(super) async fn set_process<C: ConnectionTrait>(
    db: &C,
    session: &SessionId,
    process: Option<&ProcessMark>,
) -> Result<()> {
    let mark = process.map(text::json).transpose()?;
    session::Entity::update_many()
        .col_expr(session::Column::Process, Expr::value(mark))
        .filter(session::Column::Id.eq(session.as_str()))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) fn row(session: &Session) -> Result<session::ActiveModel> {
    let s = session.clone();
    Ok(session::ActiveModel {
        id: Set(s.id.into()),
        workspace_id: Set(s.workspace_id.into()),
        name: Set(s.name),
        workflow: Set(s.workflow),
        model: Set(s.model),
        permissions: Set(text::name(&s.permissions)?),
        status: Set(text::name(&s.status)?),
        activity: Set(text::name(&s.activity)?),
        last_turn: Set(s.last_turn.as_ref().map(text::json).transpose()?),
        error: Set(s.error),
        provider_session_id: Set(s.provider_session_id),
        permission_mode: Set(text::name(&s.permission_mode)?),
        thinking_tokens: Set(s.thinking_tokens.map(u32::cast_signed)),
        fork_of: Set(s.fork_of.map(String::from)),
        queued: Set(s.queued.cast_signed()),
        held: Set(s.held),
        login_required: Set(s.login_required.as_ref().map(text::json).transpose()?),
        warning: Set(s.warning),
        total_cost_usd: Set(s.total_cost_usd),
        process: NotSet,
        closed_at: Set(s.closed_at),
        created_at: Set(s.created_at),
        updated_at: Set(s.updated_at),
    })
}

impl TryFrom<session::Model> for Session {
    type Error = Error;
    fn try_from(row: session::Model) -> Result<Self> {
        Ok(Self {
            id: text::parse(row.id)?,
            workspace_id: text::parse(row.workspace_id)?,
            name: row.name,
            workflow: row.workflow,
            model: row.model,
            permissions: text::parse(row.permissions)?,
            status: text::parse(row.status)?,
            activity: text::parse(row.activity)?,
            last_turn: row.last_turn.as_deref().map(text::from_json).transpose()?,
            error: row.error,
            provider_session_id: row.provider_session_id,
            permission_mode: text::parse(row.permission_mode)?,
            thinking_tokens: row.thinking_tokens.map(i32::cast_unsigned),
            fork_of: text::parse_opt(row.fork_of)?,
            queued: row.queued.cast_unsigned(),
            held: row.held,
            login_required: row
                .login_required
                .as_deref()
                .map(text::from_json)
                .transpose()?,
            warning: row.warning,
            total_cost_usd: row.total_cost_usd,
            closed_at: row.closed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
