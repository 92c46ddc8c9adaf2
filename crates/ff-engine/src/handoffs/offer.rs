//! Check what is to come, and tell what has come of it.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Manifest, Offered};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn offer(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
    Json(manifest): Json<Manifest>,
) -> Result<Reply<Offered>, ApiError> {
    Ok(Reply(engine.core().handoff_offer(&id, &manifest).await?))
}
