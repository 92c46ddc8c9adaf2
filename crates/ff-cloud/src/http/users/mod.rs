//! `/api/users`: accounts.

use axum::Router;
use axum::routing::delete;

use crate::App;

mod erase;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/api/users/{user}", delete(erase::erase))
}
