//! `GET /api/projects`: all of them.

use axum::Json;
use axum::extract::State;
use ff_protocol::Page;
use ff_protocol::project::Project;

use crate::{ApiError, Engine};

pub(super) async fn list(State(engine): State<Engine>) -> Result<Json<Page<Project>>, ApiError> {
    Ok(Json(Page::whole(engine.core().projects().await?)))
}
