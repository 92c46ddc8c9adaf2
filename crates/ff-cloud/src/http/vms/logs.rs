//! `GET /api/vms/{vm}/logs`.

use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::vm::VmLogs;
use serde::Deserialize;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path, Query};

const LINES: usize = 200;

/// How much of the log.
#[derive(Debug, Deserialize)]
pub struct Tail {
    lines: Option<usize>,
}

/// Shows what a VM's agent wrote last, also of one that failed to start; wakes nothing.
pub async fn logs(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Query(Tail { lines }): Query<Tail>,
) -> Result<Json<VmLogs>, Failure> {
    let logs = app.vms.logs(&vm, user.0.as_ref(), lines.unwrap_or(LINES));
    Ok(Json(logs.await?))
}
