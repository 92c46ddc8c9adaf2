//! `POST /api/handoffs/{handoff}/restore`.

use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Manifest, Restored};

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Lets the VM restore what was sent.
pub async fn restore(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
    Json(manifest): Json<Manifest>,
) -> Result<Json<Restored>, Failure> {
    let restored = app.handoffs.restore(&id, user.0.as_ref(), &manifest);
    Ok(Json(restored.await?))
}
