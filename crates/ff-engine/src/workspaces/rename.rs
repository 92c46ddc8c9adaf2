//! `PATCH /api/workspaces/{workspace}`: gives it another name. Its branch keeps its own.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::{RenameWorkspace, Workspace};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn rename(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
    Json(rename): Json<RenameWorkspace>,
) -> Result<Reply<Workspace>, ApiError> {
    let renamed = engine.core().workspace_rename(&id, &rename.name).await?;
    Ok(Reply(renamed))
}
