//! `POST /api/workspaces/{workspace}/sessions`: makes a session and gives it its first message.
//! A CLI that cannot be started is no error of the request: the session says so.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::WorkspaceId;
use ff_protocol::session::{Session, StartSession};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn start(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
    Json(start): Json<StartSession>,
) -> Result<(StatusCode, Reply<Session>), ApiError> {
    let session = engine.core().sessions().start(&workspace, start).await?;
    Ok((StatusCode::CREATED, Reply(session)))
}
