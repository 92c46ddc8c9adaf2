//! `DELETE /api/vms/{vm}`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::VmId;

use crate::App;
use crate::http::{DevUser, Failure, Path};

/// Removes a VM with its container and home. `503` when the engine does not answer: the VM stays
/// `TERMINATING`, and the server removes it when the engine is back.
pub async fn delete(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
) -> Result<StatusCode, Failure> {
    app.vms.delete(&vm, user.0.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
