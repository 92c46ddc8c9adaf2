//! `GET /api/workspaces/{workspace}/sessions/{session}/capabilities`: what the session's CLI
//! offers, or last offered.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Capabilities;

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn capabilities(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Capabilities>, ApiError> {
    let sessions = engine.core().sessions();
    Ok(Json(sessions.capabilities(&workspace, &session).await?))
}
