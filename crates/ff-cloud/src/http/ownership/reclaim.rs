//! `POST /api/workspaces/{workspace}/reclaim`.

use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::ownership::Reclaim;
use ff_protocol::workspace::CloudWorkspace;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Takes a workspace from a side that is gone, also out of a conflict.
pub async fn reclaim(
    State(app): State<App>,
    user: DevUser,
    Path(workspace): Path<WorkspaceId>,
    Json(body): Json<Reclaim>,
) -> Result<Json<CloudWorkspace>, Failure> {
    let user = match user.0 {
        Some(user) => user,
        None => app.workspaces.user(&workspace).await?,
    };
    app.ownership.reclaim(&user, &workspace, &body).await?;
    Ok(Json(app.workspaces.get(&workspace, Some(&user)).await?))
}
