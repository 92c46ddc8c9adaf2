//! `POST /api/workspaces/{workspace}/reclaim`: goes on from the copy that stayed here.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::ownership::Reclaim;
use ff_protocol::workspace::Workspace;
use ff_protocol::{ErrorCode, WorkspaceId};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn reclaim(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
    Json(reclaim): Json<Reclaim>,
) -> Result<Reply<Workspace>, ApiError> {
    if reclaim.owner != *engine.core().owner() {
        let detail = "it is not this side that is to own the workspace";
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    }
    let workspace = engine.core().workspace_reclaim(&id, reclaim.epoch).await?;
    Ok(Reply(workspace))
}
