//! `DELETE /api/workspaces/{workspace}`: removes it with its records and its worktree.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::WorkspaceId;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<StatusCode, ApiError> {
    engine.core().workspace_delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
