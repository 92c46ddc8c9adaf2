//! `POST /api/workspaces/{workspace}/pr/sync`: reads the pull request now, or looks for one.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::PullRequestStatus;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn sync(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<PullRequestStatus>, ApiError> {
    Ok(Json(engine.core().pull_request_sync(&workspace).await?))
}
