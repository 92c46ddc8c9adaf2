//! `GET /api/workspaces/{workspace}/init`.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::WorkspaceId;

use super::noted::{Said, pass};
use crate::App;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};

/// Shows how the making of a workspace stands: `suspended` while the VM sleeps, unless
/// `?wake=true`.
pub async fn init(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(&app, &user, &id, wake.purpose(), request, Said::Init).await?)
}
