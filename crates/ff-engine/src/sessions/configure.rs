//! `PATCH /api/workspaces/{workspace}/sessions/{session}`: changes the session's settings, at once
//! where its CLI runs.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::session::{Configure, Session};

use super::Ids;
use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn configure(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
    Json(changes): Json<Configure>,
) -> Result<Reply<Session>, ApiError> {
    let sessions = engine.core().sessions();
    let configured = sessions.configure(&workspace, &session, changes);
    Ok(Reply(configured.await?))
}
