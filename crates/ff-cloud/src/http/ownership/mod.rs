//! Who owns a workspace, where no hand-off says it.

use axum::Router;
use axum::routing::post;

use crate::App;

mod claim;
mod reclaim;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/ownership", post(claim::claim))
        .route(
            "/api/workspaces/{workspace}/reclaim",
            post(reclaim::reclaim),
        )
}
