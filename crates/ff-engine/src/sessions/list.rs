//! `GET /api/workspaces/{workspace}/sessions`: the workspace's sessions, oldest first.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Session;
use ff_protocol::{Page, WorkspaceId};

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn list(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<Page<Session>>, ApiError> {
    let core = engine.core();
    core.workspace(&workspace).await?;
    Ok(Json(Page::whole(core.store().sessions(&workspace).await?)))
}
