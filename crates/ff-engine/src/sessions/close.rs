//! `POST /api/workspaces/{workspace}/sessions/{session}/close`: ends the session for good; its
//! conversation stays.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Stopped;

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn close(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Stopped>, ApiError> {
    let sessions = engine.core().sessions();
    Ok(Json(sessions.close(&workspace, &session).await?))
}
