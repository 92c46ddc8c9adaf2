//! `GET /api/workspaces/{workspace}/pr`: what is known of the pull request and the ratchet. Asks
//! nobody.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::PullRequestStatus;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn show(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<PullRequestStatus>, ApiError> {
    Ok(Json(engine.core().pull_request_status(&workspace).await?))
}
