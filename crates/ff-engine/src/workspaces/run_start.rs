//! `POST …/run/start`: starts its run script.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::Workspace;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn start(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().run_script_start(&id).await?))
}
