//! `GET …/run`: its run script, and the end of what that printed.

use axum::Json;
use axum::extract::State;
use ff_protocol::WorkspaceId;
use ff_protocol::workspace::RunScriptLogs;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn logs(
    State(engine): State<Engine>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<RunScriptLogs>, ApiError> {
    Ok(Json(engine.core().run_script_logs(&id).await?))
}
