//! `POST /api/vms/{vm}/suspend`.

use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::awake::SuspendVm;
use ff_protocol::vm::Vm;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Puts a VM to sleep now: `409 busy` with what works in it.
pub async fn suspend(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Json(body): Json<SuspendVm>,
) -> Result<Json<Vm>, Failure> {
    Ok(Json(
        app.vms.suspend(&vm, user.0.as_ref(), body.tier).await?,
    ))
}
