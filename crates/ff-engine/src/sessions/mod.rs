//! Sessions of a workspace.

mod answer;
mod capabilities;
mod close;
mod configure;
mod interrupt;
mod list;
mod messages;
mod prompt;
mod requests;
mod resume;
mod show;
mod start;
mod stop;

use axum::Router;
use axum::routing::{get, post};
use ff_protocol::session::Session;
use ff_protocol::{ErrorCode, SessionId, WorkspaceId};

use crate::{ApiError, Engine};

/// Ids in the path of a session.
type Ids = (WorkspaceId, SessionId);

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route(
            "/api/workspaces/{workspace}/sessions",
            get(list::list).post(start::start),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}",
            get(show::show).patch(configure::configure),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/messages",
            get(messages::messages).post(prompt::prompt),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/interrupt",
            post(interrupt::interrupt),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/stop",
            post(stop::stop),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/answers",
            post(answer::answer),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/resume",
            post(resume::resume),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/close",
            post(close::close),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/requests",
            get(requests::of_session),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/capabilities",
            get(capabilities::capabilities),
        )
        .route(
            "/api/workspaces/{workspace}/requests",
            get(requests::of_workspace),
        )
}

async fn known(
    engine: &Engine,
    workspace: &WorkspaceId,
    id: &SessionId,
) -> Result<Session, ApiError> {
    let core = engine.core();
    core.workspace(workspace).await?;
    let session = core.store().session(workspace, id).await?;
    session.ok_or_else(|| {
        let detail = format!("there is no session {id} in this workspace");
        ApiError::new(ErrorCode::NotFound, detail)
    })
}
