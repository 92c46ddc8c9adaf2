//! The HTTP API: parse, authorise, call one service function, shape the reply.

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};

use crate::App;

mod forward;
mod guard;
mod handoffs;
mod healthz;
mod json;
mod ownership;
mod path;
mod problem;
mod projects;
mod request_id;
mod terminals;
mod upgrade;
mod user;
mod users;
mod vms;
mod wake;
mod workspaces;

pub use json::Json;
pub use path::{Path, Query};
pub use problem::Failure;
pub use upgrade::Upgrade;
pub use user::DevUser;

/// Largest JSON body. Routes that stream set their own limit.
pub const JSON_LIMIT: usize = 1 << 20;

/// The server's routes with everything around them.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz::healthz))
        .merge(users::routes())
        .merge(vms::routes())
        .merge(projects::routes())
        .merge(workspaces::routes())
        .merge(handoffs::routes())
        .merge(ownership::routes())
        .merge(terminals::routes())
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(DefaultBodyLimit::max(JSON_LIMIT))
        .layer(middleware::from_fn(guard::own_origin))
        .layer(middleware::from_fn(request_id::request_id))
        .with_state(app)
}
