//! `DELETE /api/vms/{vm}/leases/{lease}`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::{LeaseId, VmId};

use crate::App;
use crate::http::{DevUser, Failure, Path};

/// Ends a lease; wakes nothing.
pub async fn end_lease(
    State(app): State<App>,
    user: DevUser,
    Path((vm, lease)): Path<(VmId, LeaseId)>,
) -> Result<StatusCode, Failure> {
    app.vms.end_lease(&vm, user.0.as_ref(), &lease).await?;
    Ok(StatusCode::NO_CONTENT)
}
