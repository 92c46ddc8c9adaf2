//! `POST /api/handoffs/{handoff}/commit`.

use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::Handoff;

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Moves ownership; the same call again gives the same answer.
pub async fn commit(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
) -> Result<Json<Handoff>, Failure> {
    Ok(Json(app.handoffs.commit(&id, user.0.as_ref()).await?))
}
