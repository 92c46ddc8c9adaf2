//! `GET /api/handoffs/{handoff}/parts/{sha256}`.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ff_protocol::HandoffId;

use super::From;
use crate::App;
use crate::http::{DevUser, Failure, Path, Query};

/// Streams a part out of the VM.
pub async fn get_part(
    State(app): State<App>,
    user: DevUser,
    Path((id, sha256)): Path<(HandoffId, String)>,
    Query(from): Query<From>,
) -> Result<Response, Failure> {
    let part = app
        .handoffs
        .get_part(&id, user.0.as_ref(), &sha256, from.offset)
        .await?;
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(part)).into_response())
}
