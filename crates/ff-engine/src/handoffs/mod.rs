//! Hand-off, the part that happens on the machine: `docs/PROTOCOL.md`.

mod export;
mod finish;
mod get_part;
mod put_part;
mod receive;
mod restore;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{post, put};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/handoffs/{handoff}/receive", post(receive::receive))
        .route("/api/handoffs/{handoff}/restore", post(restore::restore))
        .route("/api/handoffs/{handoff}/export", post(export::export))
        .route("/api/handoffs/{handoff}/finish", post(finish::finish))
        .route(
            "/api/handoffs/{handoff}/parts/{sha256}",
            put(put_part::put_part)
                .get(get_part::get_part)
                .layer(DefaultBodyLimit::disable()),
        )
}
