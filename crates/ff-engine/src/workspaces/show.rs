//! `GET /api/workspaces/{workspace}`.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::Workspace;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn show(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().workspace(&id).await?))
}
