//! Sessions of a workspace.

mod answer;
mod interrupt;
mod list;
mod prompt;
mod show;
mod start;
mod stop;

use axum::Router;
use axum::routing::{get, post};
use ff_protocol::{SessionId, WorkspaceId};

use crate::Engine;

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
            get(show::show),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/messages",
            post(prompt::prompt),
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
}
