//! Restore what arrived and compute its fingerprint.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Manifest, Restored};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn restore(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
    Json(manifest): Json<Manifest>,
) -> Result<Reply<Restored>, ApiError> {
    let fingerprint = engine.core().handoff_restore(&id, &manifest).await?;
    Ok(Reply(Restored { fingerprint }))
}
