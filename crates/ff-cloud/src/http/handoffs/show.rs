//! `GET /api/handoffs/{handoff}`.

use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::Handoff;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Shows how far a hand-off has come.
pub async fn show(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
) -> Result<Json<Handoff>, Failure> {
    Ok(Json(app.handoffs.get(&id, user.0.as_ref()).await?))
}
