//! `PATCH /api/workspaces/{workspace}/ratchet`: switches the ratchet on or off.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::{PullRequestStatus, SwitchRatchet};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn switch(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
    Json(SwitchRatchet { enabled }): Json<SwitchRatchet>,
) -> Result<Reply<PullRequestStatus>, ApiError> {
    let core = engine.core();
    Ok(Reply(core.ratchet_switch(&workspace, enabled).await?))
}
