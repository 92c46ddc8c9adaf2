//! `DELETE /api/handoffs/{handoff}`.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::HandoffId;

use crate::App;
use crate::http::{DevUser, Failure, Path};

/// Gives a hand-off up; `409` once it is committed.
pub async fn abort(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
) -> Result<StatusCode, Failure> {
    app.handoffs.abort(&id, user.0.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
