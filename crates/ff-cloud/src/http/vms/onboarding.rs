//! `GET /api/vms/{vm}/onboarding`.

use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::vm::Onboarding;

use crate::App;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Json, Path, Query};

/// What the user has done and has still to do in the VM, as its agent sees it.
pub async fn onboarding(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Query(Wake { wake }): Query<Wake>,
) -> Result<Json<Onboarding>, Failure> {
    let seen = app.vms.onboarding(&vm, user.0.as_ref(), wake).await?;
    Ok(Json(seen))
}
