//! `POST /api/workspaces/{workspace}/sessions/{session}/resume`: starts the CLI if it does not
//! run, and lets messages that were held go on.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Session;

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn resume(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Session>, ApiError> {
    let sessions = engine.core().sessions();
    Ok(Json(sessions.resume(&workspace, &session).await?))
}
