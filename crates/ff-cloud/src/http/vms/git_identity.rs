//! `PUT /api/vms/{vm}/git-identity`, forwarded to the agent.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::VmId;

use crate::App;
use crate::http::forward::to_agent;
use crate::http::{DevUser, Failure, Path};
use crate::services::workspace::Purpose;

/// Sets who commits in the VM, which wakes it.
pub async fn git_identity(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    request: Request,
) -> Result<Response, Failure> {
    let route = app
        .workspaces
        .vm_route(&vm, user.0.as_ref(), Purpose::Intent)
        .await?;
    Ok(to_agent(&app, route, request).await?)
}
