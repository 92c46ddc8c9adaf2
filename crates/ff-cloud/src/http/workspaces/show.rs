//! `GET /api/workspaces/{workspace}`.

use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::CloudWorkspace;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Shows a workspace from the mirror; wakes nothing.
pub async fn show(
    State(app): State<App>,
    user: DevUser,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<CloudWorkspace>, Failure> {
    Ok(Json(app.workspaces.get(&workspace, user.0.as_ref()).await?))
}
