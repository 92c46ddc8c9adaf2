//! `/api/workspaces`: the mirror, and the way into each workspace.

use axum::Router;
use axum::routing::{get, patch, post};

use crate::App;

mod change;
mod create;
mod delete;
mod init;
mod inside;
mod list;
mod noted;
mod pull_request;
mod show;
mod socket;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/workspaces", get(list::list).post(create::create))
        .route(
            "/api/workspaces/{workspace}",
            get(show::show).patch(change::change).delete(delete::delete),
        )
        .route("/api/workspaces/{workspace}/init", get(init::init))
        .route("/api/workspaces/{workspace}/retry", post(change::change))
        .route("/api/workspaces/{workspace}/dismiss", post(change::change))
        .route("/api/workspaces/{workspace}/archive", post(change::change))
        .route("/api/workspaces/{workspace}/run", get(inside::read))
        .route(
            "/api/workspaces/{workspace}/run/start",
            post(change::change),
        )
        .route("/api/workspaces/{workspace}/run/stop", post(change::change))
        .route("/api/workspaces/{workspace}/socket", get(socket::socket))
        .route(
            "/api/workspaces/{workspace}/sessions",
            get(inside::read).post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}",
            get(inside::read).patch(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/messages",
            get(inside::read).post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/interrupt",
            post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/stop",
            post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/answers",
            post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/resume",
            post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/close",
            post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/requests",
            get(inside::read),
        )
        .route(
            "/api/workspaces/{workspace}/sessions/{session}/capabilities",
            get(inside::read),
        )
        .route("/api/workspaces/{workspace}/requests", get(inside::read))
        .route("/api/workspaces/{workspace}/pr", get(pull_request::show))
        .route(
            "/api/workspaces/{workspace}/pr/sync",
            post(pull_request::change),
        )
        .route(
            "/api/workspaces/{workspace}/pr/attach",
            post(pull_request::change),
        )
        .route(
            "/api/workspaces/{workspace}/ratchet",
            patch(pull_request::change),
        )
        .route(
            "/api/workspaces/{workspace}/terminals",
            get(inside::read).post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}",
            patch(inside::change).delete(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}/socket",
            get(socket::socket),
        )
}
