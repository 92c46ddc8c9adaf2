//! `GET /api/vms`.

use axum::extract::State;
use ff_protocol::vm::Vm;
use ff_protocol::{Page, VmId};
use serde::Deserialize;

use crate::App;
use crate::http::{DevUser, Failure, Json, Query};

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub struct After {
    after: Option<VmId>,
}

/// Lists VMs: those of the named user, or all.
pub async fn list(
    State(app): State<App>,
    user: DevUser,
    Query(After { after }): Query<After>,
) -> Result<Json<Page<Vm>>, Failure> {
    Ok(Json(app.vms.list(user.0.as_ref(), after.as_ref()).await?))
}
