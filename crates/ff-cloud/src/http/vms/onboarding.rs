//! `GET /api/vms/{vm}/onboarding?after=VERSION&wait=SECONDS`, forwarded to the agent.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::{ErrorCode, VmId};
use serde::Deserialize;

use crate::http::forward::to_vm;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::{App, Error};

/// What concerns this server too.
#[derive(Debug, Deserialize)]
pub struct Waits {
    wait: Option<u64>,
}

/// What the user has done and has still to do in the VM, as its agent sees it, at once or when it
/// changes. `suspended` as soon as the VM sleeps: who waits for news does not wake it.
pub async fn onboarding(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Query(wake): Query<Wake>,
    Query(waits): Query<Waits>,
    request: Request,
) -> Result<Response, Failure> {
    if wake.wake && waits.wait.is_some() {
        let detail = "a call with `wait` wakes nothing: leave out one of `wake` and `wait`";
        return Err(Error::refused(ErrorCode::BadRequest, detail).into());
    }
    Ok(to_vm(&app, &user, &vm, wake.purpose(), request).await?)
}
