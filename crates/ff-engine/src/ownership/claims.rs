//! `GET /api/ownership`: what the records of this machine say.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::ownership::Claims;

use crate::{ApiError, Engine};

pub(super) async fn claims(State(engine): State<Engine>) -> Result<Reply<Claims>, ApiError> {
    let claims = ff_core::handoff::claims(engine.core().store()).await?;
    let lost = Vec::new();
    Ok(Reply(Claims { claims, lost }))
}
