//! `/api/vms/{vm}/terminals…`, forwarded to the agent.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::{TerminalId, VmId};
use serde::Deserialize;

use crate::App;
use crate::http::forward::to_vm;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::services::workspace::Purpose;

/// The ids in the path. All are checked here: the path goes on as it came.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub struct Place {
    pub(super) vm: VmId,
    terminal: Option<TerminalId>,
}

/// Lists terminals: `suspended` while the VM sleeps, unless `?wake=true`.
pub async fn read(
    State(app): State<App>,
    user: DevUser,
    Path(place): Path<Place>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(to_vm(&app, &user, &place.vm, wake.purpose(), request).await?)
}

/// Opens or closes a terminal, which wakes the VM.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(place): Path<Place>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(to_vm(&app, &user, &place.vm, Purpose::Intent, request).await?)
}
