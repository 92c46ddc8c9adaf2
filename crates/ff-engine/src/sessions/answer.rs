//! `POST /api/workspaces/{workspace}/sessions/{session}/answers`: the one answer a permission
//! request or question takes.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::session::Answer;

use super::Ids;
use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn answer(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
    Json(answer): Json<Answer>,
) -> Result<StatusCode, ApiError> {
    engine
        .core()
        .sessions()
        .answer(&workspace, &session, answer)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
