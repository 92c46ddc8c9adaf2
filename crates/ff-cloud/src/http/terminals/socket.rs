//! `GET /api/vms/{vm}/terminals/{terminal}/socket`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::forwarded::Place;
use crate::App;
use crate::http::{DevUser, Failure, Path, Upgrade};
use crate::services::workspace::Purpose;
use crate::ws::{Caller, Kind, relay};

/// Relays a terminal of the VM's home; wakes the VM.
pub async fn socket(
    State(app): State<App>,
    user: DevUser,
    Path(place): Path<Place>,
    uri: Uri,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let route = app
        .workspaces
        .vm_route(&place.vm, user.0.as_ref(), Purpose::Intent)
        .await?;
    let caller = Caller {
        uri: &uri,
        kind: Kind::Terminal,
        upgrade,
    };
    Ok(relay(app, route, caller).await?)
}
