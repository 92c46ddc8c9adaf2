//! `POST …/dismiss`: forgets the warning that its making ended with.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::Workspace;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn dismiss(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().workspace_dismiss(&id).await?))
}
