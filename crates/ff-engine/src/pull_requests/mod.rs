//! The pull request of a workspace, and its ratchet.

mod attach;
mod ratchet;
mod show;
mod sync;

use axum::Router;
use axum::routing::{get, patch, post};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/workspaces/{workspace}/pr", get(show::show))
        .route("/api/workspaces/{workspace}/pr/sync", post(sync::sync))
        .route(
            "/api/workspaces/{workspace}/pr/attach",
            post(attach::attach),
        )
        .route(
            "/api/workspaces/{workspace}/ratchet",
            patch(ratchet::switch),
        )
}
