//! Sessions.

use ff_protocol::session::{Session, SessionStatus};
use ff_protocol::{SessionId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
};

use super::entity::session;
use super::{Store, text};
use crate::error::{Error, Result};

impl Store {
    /// Adds a session.
    pub async fn insert_session(&self, session: &Session) -> Result<()> {
        row(session)?.insert(&self.db).await?;
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
        query
            .one(&self.db)
            .await?
            .map(Session::try_from)
            .transpose()
    }

    /// A workspace's sessions, oldest first.
    pub async fn sessions(&self, workspace: &WorkspaceId) -> Result<Vec<Session>> {
        let query = session::Entity::find()
            .filter(session::Column::WorkspaceId.eq(workspace.as_str()))
            .order_by_asc(session::Column::CreatedAt)
            .order_by_asc(session::Column::Id);
        query
            .all(&self.db)
            .await?
            .into_iter()
            .map(Session::try_from)
            .collect()
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
        query
            .all(&self.db)
            .await?
            .into_iter()
            .map(Session::try_from)
            .collect()
    }

    /// Writes every field of a session.
    pub async fn update_session(&self, session: &Session) -> Result<()> {
        row(session)?.update(&self.db).await?;
        Ok(())
    }
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
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
