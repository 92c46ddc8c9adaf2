//! What the user has still to do in this VM.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use ff_protocol::VmId;
use ff_protocol::vm::Onboarding;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(crate) fn routes() -> Router<Engine> {
    Router::new().route("/api/vms/{vm}/onboarding", get(show))
}

async fn show(
    State(engine): State<Engine>,
    Path(vm): Path<VmId>,
) -> Result<Json<Onboarding>, ApiError> {
    engine.check_vm(&vm)?;
    Ok(Json(engine.core().onboarding().await?))
}
