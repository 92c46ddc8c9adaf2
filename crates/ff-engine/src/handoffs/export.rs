//! Spool a workspace that is being pulled.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Export, Manifest};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn export(
    State(engine): State<Engine>,
    Path(id): Path<HandoffId>,
    Json(body): Json<Export>,
) -> Result<Reply<Manifest>, ApiError> {
    Ok(Reply(engine.core().handoff_export(&id, &body).await?))
}
