//! `GET /api/workspaces/{workspace}/pr`, `POST …/pr/sync`, `…/pr/attach` and `PATCH …/ratchet`: the
//! engine's API, forwarded and noted.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::WorkspaceId;

use super::noted::{Said, pass};
use crate::App;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::services::workspace::Purpose;

/// Shows how the pull request stands: `suspended` while the VM sleeps, unless `?wake=true`.
pub async fn show(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(&app, &user, &id, wake.purpose(), request, Said::PullRequest).await?)
}

/// Has the VM change what is known of it, which wakes it.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(
        &app,
        &user,
        &id,
        Purpose::Intent,
        request,
        Said::PullRequest,
    )
    .await?)
}
