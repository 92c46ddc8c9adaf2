//! `POST /api/handoffs`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::ErrorCode;
use ff_protocol::handoff::{CreateHandoff, Handoff};

use crate::App;
use crate::http::{DevUser, Failure, Json};

/// Begins a hand-off and makes the VM ready: `201`, or `200` when the same request came before.
pub async fn create(
    State(app): State<App>,
    user: DevUser,
    Json(body): Json<CreateHandoff>,
) -> Result<(StatusCode, Json<Handoff>), Failure> {
    let user = match user.clone().or_body(body.user_id.clone())? {
        Some(user) => user,
        None => match app.workspaces.user(&body.workspace_id).await {
            Err(error) if error.code() == ErrorCode::NotFound => user.required(None)?,
            found => found?,
        },
    };
    let (handoff, created) = app.handoffs.create(&user, &body).await?;
    let status = match created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(handoff)))
}
