//! `POST /api/workspaces/{workspace}/rest`: ends everything that runs in a workspace that is being
//! moved; what waits goes with it.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::WorkspaceId;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn rest(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<StatusCode, ApiError> {
    engine.core().workspace_rest(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
