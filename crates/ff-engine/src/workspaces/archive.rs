//! `POST …/archive`: puts it away. Its branch stays.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::{ArchiveWorkspace, Workspace};

use crate::extract::{MaybeJson, Path};
use crate::{ApiError, Engine};

pub(super) async fn archive(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
    MaybeJson(how): MaybeJson<ArchiveWorkspace>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(engine.core().workspace_archive(&id, how).await?))
}
