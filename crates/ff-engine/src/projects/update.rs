//! `PATCH /api/projects/{project}`: changes what runs in its new workspaces, or puts it away.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::ProjectId;
use ff_protocol::project::{Project, UpdateProject};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn update(
    State(engine): State<Engine>,
    Path(id): Path<ProjectId>,
    Json(update): Json<UpdateProject>,
) -> Result<Reply<Project>, ApiError> {
    Ok(Reply(engine.core().project_update(&id, &update).await?))
}
