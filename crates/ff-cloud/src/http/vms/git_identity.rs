//! `PUT /api/vms/{vm}/git-identity`, forwarded to the agent.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::VmId;

use crate::App;
use crate::http::forward::to_vm;
use crate::http::{DevUser, Failure, Path};
use crate::services::workspace::Purpose;

/// Sets who commits in the VM, which wakes it.
pub async fn git_identity(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(to_vm(&app, &user, &vm, Purpose::Intent, request).await?)
}
