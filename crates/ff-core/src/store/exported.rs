//! What an export needs beside projects, workspaces and sessions.

use std::collections::HashMap;

use ff_protocol::session::Session;
use ff_protocol::{ProjectId, SessionId, WorkspaceId};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::Value;

use super::entity::{
    project_tracker, session, session_origin, terminal_session, user_settings,
    workspace_init_output,
};
use super::import::{Origin, TerminalRow, USER};
use super::{Store, text};
use crate::error::Result;

impl Store {
    /// All sessions, oldest first.
    pub(crate) async fn all_sessions(&self) -> Result<Vec<Session>> {
        let query = session::Entity::find()
            .order_by_asc(session::Column::CreatedAt)
            .order_by_asc(session::Column::Id);
        let rows = query.all(&self.db).await?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// Where sessions come from that were not made here.
    pub(crate) async fn session_origins(&self) -> Result<HashMap<SessionId, Origin>> {
        let rows = session_origin::Entity::find().all(&self.db).await?;
        let origin = |row: session_origin::Model| {
            let origin = Origin {
                closed: row.kind == "CLOSED",
                provider: row.provider,
                project_path: row.project_path,
                metadata: row.metadata.as_deref().map(text::from_json).transpose()?,
            };
            Ok((text::parse(row.session_id)?, origin))
        };
        rows.into_iter().map(origin).collect()
    }

    /// Terminals of the original, oldest first.
    pub(crate) async fn terminal_rows(&self) -> Result<Vec<TerminalRow>> {
        let query = terminal_session::Entity::find()
            .order_by_asc(terminal_session::Column::CreatedAt)
            .order_by_asc(terminal_session::Column::Id);
        let row = |row: terminal_session::Model| {
            Ok(TerminalRow {
                id: text::parse(row.id)?,
                workspace_id: text::parse(row.workspace_id)?,
                name: row.name,
                status: row.status,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        };
        query.all(&self.db).await?.into_iter().map(row).collect()
    }

    /// Settings of the projects' issue trackers, without secrets.
    pub(crate) async fn project_trackers(&self) -> Result<HashMap<ProjectId, Value>> {
        let rows = project_tracker::Entity::find().all(&self.db).await?;
        let pair = |row: project_tracker::Model| {
            Ok((text::parse(row.project_id)?, text::from_json(&row.config)?))
        };
        rows.into_iter().map(pair).collect()
    }

    /// What scripts printed while workspaces were made.
    pub(crate) async fn init_outputs(&self) -> Result<HashMap<WorkspaceId, String>> {
        let rows = workspace_init_output::Entity::find().all(&self.db).await?;
        let pair =
            |row: workspace_init_output::Model| Ok((text::parse(row.workspace_id)?, row.output));
        rows.into_iter().map(pair).collect()
    }

    /// The user's settings, if they were ever imported.
    pub(crate) async fn user_settings(&self) -> Result<Option<Value>> {
        let row = user_settings::Entity::find_by_id(USER)
            .one(&self.db)
            .await?;
        row.map(|row| text::from_json(&row.settings)).transpose()
    }
}
