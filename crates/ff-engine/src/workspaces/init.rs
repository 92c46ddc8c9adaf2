//! `GET …/init`: where its making stands, with what its scripts said.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::InitReport;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn init(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<InitReport>, ApiError> {
    Ok(Json(engine.core().workspace_init(&id).await?))
}
