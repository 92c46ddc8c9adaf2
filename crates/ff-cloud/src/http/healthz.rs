//! `GET /healthz`.

use axum::extract::State;
use serde::Serialize;

use super::{Failure, Json};
use crate::App;

/// What the server says of itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    status: &'static str,
    version: &'static str,
    /// Whether VMs can be made and woken now.
    compute: &'static str,
}

/// Answers while the server serves. An engine that is down is reported and is no failure: the
/// server lives on without it.
pub async fn healthz(State(app): State<App>) -> Result<Json<Health>, Failure> {
    let compute = match app.vms.compute_answers().await {
        true => "ok",
        false => "unavailable",
    };
    Ok(Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        compute,
    }))
}
