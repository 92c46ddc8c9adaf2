//! End a hand-off the way the server decided.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::HandoffId;
use ff_protocol::handoff::Finish;

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn finish(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
    Json(body): Json<Finish>,
) -> Result<StatusCode, ApiError> {
    engine.core().handoff_finish(&id, body.committed).await?;
    if body.finalized {
        engine.core().handoff_finalized(&id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
