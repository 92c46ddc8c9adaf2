//! `POST /api/workspaces/{workspace}/sessions/{session}/stop`: ends the CLI with everything it
//! started; answered when all of it is gone.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Stopped;

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn stop(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Stopped>, ApiError> {
    Ok(Json(
        engine.core().sessions().stop(&workspace, &session).await?,
    ))
}
