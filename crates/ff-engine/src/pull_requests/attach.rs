//! `POST /api/workspaces/{workspace}/pr/attach`: gives the workspace a pull request.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::{AttachPullRequest, PullRequestStatus};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn attach(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
    Json(attach): Json<AttachPullRequest>,
) -> Result<Reply<PullRequestStatus>, ApiError> {
    let core = engine.core();
    let attached = core.pull_request_attach(&workspace, &attach.pull_request);
    Ok(Reply(attached.await?))
}
