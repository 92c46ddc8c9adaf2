//! `POST /api/handoffs/{handoff}/finalize`.

use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::Handoff;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Notes that the desktop has converged; the same call again gives the same answer.
pub async fn finalize(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
) -> Result<Json<Handoff>, Failure> {
    Ok(Json(app.handoffs.finalize(&id, user.0.as_ref()).await?))
}
