//! `POST /api/handoffs/{handoff}/offer`.

use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Manifest, Offered};

use crate::App;
use crate::http::{DevUser, Failure, Json, Path};

/// Has the VM check what is to be sent, and tells what of it has arrived.
pub async fn offer(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
    Json(manifest): Json<Manifest>,
) -> Result<Json<Offered>, Failure> {
    let offered = app.handoffs.offer(&id, user.0.as_ref(), &manifest);
    Ok(Json(offered.await?))
}
