//! Who owns the workspaces of this machine: `docs/PROTOCOL.md`, "Who owns a workspace".

mod claims;
mod follow;
mod reclaim;

use axum::Router;
use axum::routing::{get, post, put};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/ownership", get(claims::claims))
        .route("/api/workspaces/{workspace}/owner", put(follow::follow))
        .route(
            "/api/workspaces/{workspace}/reclaim",
            post(reclaim::reclaim),
        )
}
