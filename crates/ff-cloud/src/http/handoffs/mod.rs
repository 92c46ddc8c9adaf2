//! `/api/handoffs`: moving workspaces.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::App;

mod abort;
mod commit;
mod create;
mod events;
mod finalize;
mod get_part;
mod offer;
mod put_part;
mod restore;
mod show;

/// Largest manifest, in bytes.
const MANIFEST_LIMIT: usize = 16 << 20;

/// Where in a part to go on.
#[derive(Debug, Deserialize)]
struct From {
    #[serde(default)]
    offset: u64,
}

/// The routes.
pub fn routes() -> Router<App> {
    let offer = post(offer::offer).layer(DefaultBodyLimit::max(MANIFEST_LIMIT));
    let restore = post(restore::restore).layer(DefaultBodyLimit::max(MANIFEST_LIMIT));
    Router::new()
        .route("/api/handoffs", post(create::create))
        .route(
            "/api/handoffs/{handoff}",
            get(show::show).delete(abort::abort),
        )
        .route(
            "/api/handoffs/{handoff}/parts/{sha256}",
            get(get_part::get_part).put(put_part::put_part),
        )
        .route("/api/handoffs/{handoff}/events", get(events::events))
        .route("/api/handoffs/{handoff}/offer", offer)
        .route("/api/handoffs/{handoff}/restore", restore)
        .route("/api/handoffs/{handoff}/commit", post(commit::commit))
        .route("/api/handoffs/{handoff}/finalize", post(finalize::finalize))
}
