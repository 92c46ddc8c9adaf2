//! `POST /api/projects`: makes a repository known; the same path again gives the same project.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::project::{CreateProject, Project};

use crate::extract::Json;
use crate::{ApiError, Engine};

pub(super) async fn create(
    State(engine): State<Engine>,
    Json(create): Json<CreateProject>,
) -> Result<(StatusCode, Reply<Project>), ApiError> {
    let project = engine.core().project_create(&create).await?;
    Ok((StatusCode::CREATED, Reply(project)))
}
