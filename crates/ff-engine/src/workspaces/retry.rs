//! `POST …/retry`: tries again to make it. Answers when that has begun.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::Workspace;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn retry(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().workspace_retry(&id).await?))
}
