//! The engine API: HTTP and WebSocket over one [`ff_core::Core`].
//!
//! The agent serves it in a VM, the desktop app on loopback. It authenticates nobody: whoever
//! serves it puts that in front. Handlers parse, call one core function and shape the reply.

mod error;
mod extract;
mod handoffs;
mod onboarding;
mod ownership;
mod pages;
mod projects;
mod pull_requests;
mod request_id;
mod sessions;
mod socket;
mod state;
mod terminals;
mod workspaces;

pub use error::ApiError;
pub use request_id::request_id;
pub use socket::Pieces;
pub use state::Engine;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use ff_protocol::ErrorCode;

/// Largest JSON body, in bytes. A manifest lists every transcript of a workspace.
const MAX_JSON: usize = 16 << 20;

/// Every route of the engine.
pub fn router(engine: Engine) -> Router {
    Router::new()
        .merge(projects::routes())
        .merge(workspaces::routes())
        .merge(sessions::routes())
        .merge(socket::routes())
        .merge(terminals::routes())
        .merge(pull_requests::routes())
        .merge(onboarding::routes())
        .merge(handoffs::routes())
        .merge(ownership::routes())
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .fallback(async || ApiError::new(ErrorCode::NotFound, "there is no such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                ErrorCode::MethodNotAllowed,
                "this path does not take that method",
            )
        })
        .with_state(engine)
}
