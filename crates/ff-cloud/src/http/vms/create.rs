//! `POST /api/vms`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::vm::{CreateVm, Vm};

use crate::App;
use crate::http::{DevUser, Failure, Json};

/// Gives the user a VM: `201` and a new one once it runs, or `200` and the one they have.
pub async fn create(
    State(app): State<App>,
    user: DevUser,
    Json(body): Json<CreateVm>,
) -> Result<(StatusCode, Json<Vm>), Failure> {
    let user = user.required(body.user_id)?;
    let (vm, created) = app.vms.create(&user).await?;
    let status = match created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(vm)))
}
