//! `POST /api/workspaces/{workspace}/sessions/{session}/interrupt`: ends the turn that runs;
//! answered when it has ended.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::Session;

use super::Ids;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn interrupt(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
) -> Result<Json<Session>, ApiError> {
    Ok(Json(
        engine
            .core()
            .sessions()
            .interrupt(&workspace, &session, None)
            .await?,
    ))
}
