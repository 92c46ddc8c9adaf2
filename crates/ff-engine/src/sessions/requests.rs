//! `GET /api/workspaces/{workspace}/sessions/{session}/requests` and
//! `GET /api/workspaces/{workspace}/requests`: what waits for an answer, oldest first.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::UserRequest;
use ff_protocol::{Page, SessionId, WorkspaceId};

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn of_session(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Page<UserRequest>>, ApiError> {
    waiting(&engine, &workspace, Some(&session)).await
}

pub(super) async fn of_workspace(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<Page<UserRequest>>, ApiError> {
    waiting(&engine, &workspace, None).await
}

async fn waiting(
    engine: &Engine,
    workspace: &WorkspaceId,
    session: Option<&SessionId>,
) -> Result<Json<Page<UserRequest>>, ApiError> {
    let sessions = engine.core().sessions();
    Ok(Json(Page::whole(
        sessions.requests(workspace, session).await?,
    )))
}
