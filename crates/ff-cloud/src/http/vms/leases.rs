//! `GET /api/vms/{vm}/leases`.

use axum::extract::State;
use ff_protocol::awake::Lease;
use ff_protocol::{Page, VmId};

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Lists a VM's leases; wakes nothing.
pub async fn leases(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
) -> Result<Json<Page<Lease>>, Failure> {
    let leases = app.vms.leases(&vm, user.0.as_ref()).await?;
    Ok(Json(Page::whole(leases)))
}
