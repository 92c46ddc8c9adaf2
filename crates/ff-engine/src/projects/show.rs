//! `GET /api/projects/{project}`.

use axum::Json;
use axum::extract::State;
use ff_protocol::ProjectId;
use ff_protocol::project::Project;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn show(
    State(engine): State<Engine>,
    Path(id): Path<ProjectId>,
) -> Result<Json<Project>, ApiError> {
    Ok(Json(engine.core().project(&id).await?))
}
