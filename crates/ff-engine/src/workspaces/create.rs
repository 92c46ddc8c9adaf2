//! `POST /api/workspaces`: enters a workspace and begins to make it. The answer has status `NEW`;
//! `…/init` tells what becomes of it.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::workspace::{CreateWorkspace, Workspace};

use crate::extract::Json;
use crate::{ApiError, Engine};

pub(super) async fn create(
    State(engine): State<Engine>,
    Json(create): Json<CreateWorkspace>,
) -> Result<(StatusCode, Reply<Workspace>), ApiError> {
    let workspace = engine.core().workspace_create(create).await?;
    Ok((StatusCode::CREATED, Reply(workspace)))
}
