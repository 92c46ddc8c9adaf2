//! `POST /api/workspaces/{workspace}/sessions/{session}/messages`: the session's next message.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::session::{Prompt, Session};

use super::Ids;
use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn prompt(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
    Json(prompt): Json<Prompt>,
) -> Result<Reply<Session>, ApiError> {
    Ok(Reply(
        engine
            .core()
            .sessions()
            .prompt(&workspace, &session, prompt)
            .await?,
    ))
}
