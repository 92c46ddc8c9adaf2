//! Clone or fetch, and say which commits are there.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Receive, Received};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn receive(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
    Json(body): Json<Receive>,
) -> Result<Reply<Received>, ApiError> {
    Ok(Reply(engine.core().handoff_receive(&id, &body).await?))
}
