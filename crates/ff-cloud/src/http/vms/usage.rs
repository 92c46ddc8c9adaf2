//! `GET /api/vms/{vm}/usage`.

use axum::extract::State;
use ff_protocol::awake::UsageInterval;
use ff_protocol::{Page, Timestamp, VmId};
use serde::Deserialize;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path, Query};

/// From when on.
#[derive(Debug, Deserialize)]
pub struct After {
    after: Option<Timestamp>,
}

/// Shows what a VM did: awake, frozen and stopped, without gap or overlap. Wakes nothing.
pub async fn usage(
    State(app): State<App>,
    user: DevUser,
    Path(vm): Path<VmId>,
    Query(After { after }): Query<After>,
) -> Result<Json<Page<UsageInterval>>, Failure> {
    let intervals = app.vms.usage(&vm, user.0.as_ref(), after).await?;
    Ok(Json(Page::whole(intervals)))
}
