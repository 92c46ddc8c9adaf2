//! `POST /api/vms/{vm}/leases`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::VmId;
use ff_protocol::awake::{CreateLease, Lease};

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Keeps a VM awake for a time; wakes it.
pub async fn lease(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Json(body): Json<CreateLease>,
) -> Result<(StatusCode, Json<Lease>), Failure> {
    let lease = app.vms.lease(&vm, user.0.as_ref(), &body).await?;
    Ok((StatusCode::CREATED, Json(lease)))
}
