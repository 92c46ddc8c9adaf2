//! Check, right before the commit, that the workspace is still what was spooled.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::HandoffId;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn check(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
) -> Result<StatusCode, ApiError> {
    engine.core().handoff_unchanged(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
