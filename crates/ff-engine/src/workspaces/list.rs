//! `GET /api/workspaces`: all of them.

use axum::Json;
use axum::extract::State;
use ff_protocol::Page;
use ff_protocol::workspace::Workspace;

use crate::{ApiError, Engine};

pub(super) async fn list(State(engine): State<Engine>) -> Result<Json<Page<Workspace>>, ApiError> {
    Ok(Json(Page::whole(engine.core().workspaces().await?)))
}
