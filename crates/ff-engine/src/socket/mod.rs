//! WebSockets: what they share, and the one of a workspace.

mod follow;
mod wire;

use axum::Router;
use axum::routing::get;

pub use follow::Pieces;
pub(crate) use wire::{Broken, Heard, Listener, Speaker, Upgrade, close_after, open};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new().route("/api/workspaces/{workspace}/socket", get(follow::follow))
}
