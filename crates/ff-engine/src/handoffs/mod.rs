//! Hand-off, the part that happens on the machine: `docs/PROTOCOL.md`.

mod check;
mod export;
mod finish;
mod get_part;
mod offer;
mod put_part;
mod receive;
mod restore;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{post, put};
use serde::Deserialize;

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/handoffs/{handoff}/receive", post(receive::receive))
        .route("/api/handoffs/{handoff}/offer", post(offer::offer))
        .route("/api/handoffs/{handoff}/restore", post(restore::restore))
        .route("/api/handoffs/{handoff}/check", post(check::check))
        .route("/api/handoffs/{handoff}/export", post(export::export))
        .route("/api/handoffs/{handoff}/finish", post(finish::finish))
        .route(
            "/api/handoffs/{handoff}/parts/{sha256}",
            put(put_part::put_part)
                .get(get_part::get_part)
                .layer(DefaultBodyLimit::disable()),
        )
}

/// Where in a part to go on.
#[derive(Debug, Deserialize)]
struct From {
    #[serde(default)]
    offset: u64,
}
