//! `PUT /api/workspaces/{workspace}/owner`: follows the server's word.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::ownership::Ruling;
use ff_protocol::{ErrorCode, WorkspaceId};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn follow(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
    Json(ruling): Json<Ruling>,
) -> Result<StatusCode, ApiError> {
    if ruling.workspace_id != id {
        let detail = "the ruling is on another workspace";
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    }
    engine.core().follow(&ruling).await?;
    Ok(StatusCode::NO_CONTENT)
}
