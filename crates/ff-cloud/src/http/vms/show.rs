//! `GET /api/vms/{vm}`.

use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::vm::Vm;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Shows a VM, why it is awake and when it will sleep; wakes nothing.
pub async fn show(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
) -> Result<Json<Vm>, Failure> {
    Ok(Json(app.vms.show(&vm, user.0.as_ref()).await?))
}
