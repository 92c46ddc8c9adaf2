//! `/api/projects`: those of the user's VM.

use axum::Router;
use axum::routing::get;

use crate::App;

mod forwarded;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/projects",
            get(forwarded::read).post(forwarded::change),
        )
        .route(
            "/api/projects/{project}",
            get(forwarded::read).patch(forwarded::change),
        )
}
