//! `PATCH /api/vms/{vm}/limits`.

use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::limits::{ChangeLimits, VmLimits};

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Changes what a VM may use, and says when that is in force; wakes nothing.
pub async fn limits(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Json(body): Json<ChangeLimits>,
) -> Result<Json<VmLimits>, Failure> {
    Ok(Json(
        app.vms.change_limits(&vm, user.0.as_ref(), &body).await?,
    ))
}
