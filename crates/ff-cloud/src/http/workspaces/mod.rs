//! `/api/workspaces`: the mirror, and the way into each workspace.

use axum::Router;
use axum::routing::{delete, get, post};

use crate::App;

mod inside;
mod list;
mod show;
mod socket;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/workspaces", get(list::list))
        .route("/api/workspaces/{workspace}", get(show::show))
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
        .route(
            "/api/workspaces/{workspace}/terminals",
            get(inside::read).post(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}",
            delete(inside::change).patch(inside::change),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}/socket",
            get(socket::socket),
        )
}
