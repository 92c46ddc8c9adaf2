//! Workspaces of this machine.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use ff_protocol::workspace::Workspace;
use ff_protocol::{Page, WorkspaceId};

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/workspaces", get(list))
        .route("/api/workspaces/{workspace}", get(show))
}

async fn list(State(engine): State<Engine>) -> Result<Json<Page<Workspace>>, ApiError> {
    Ok(Json(Page::whole(engine.core().workspaces().await?)))
}

async fn show(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().workspace(&id).await?))
}
