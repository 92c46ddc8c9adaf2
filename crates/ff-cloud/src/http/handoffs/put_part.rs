//! `PUT /api/handoffs/{handoff}/parts/{sha256}`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use ff_protocol::{ErrorCode, HandoffId};
use futures_util::StreamExt;

use super::From;
use crate::http::{DevUser, Failure, Path, Query};
use crate::{App, Error, Result};

/// Streams a part into the VM.
pub async fn put_part(
    State(app): State<App>,
    user: DevUser,
    Path((id, sha256)): Path<(HandoffId, String)>,
    Query(from): Query<From>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Failure> {
    let size = length(&headers)?;
    let body = body
        .into_data_stream()
        .map(|chunk| chunk.map_err(axum::Error::into_inner));
    app.handoffs
        .put_part(
            &id,
            user.0.as_ref(),
            &sha256,
            (from.offset, size),
            Box::pin(body),
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn length(headers: &HeaderMap) -> Result<u64> {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .ok_or_else(|| {
            Error::refused(ErrorCode::BadRequest, "the part's length is not declared")
                .hint("send the header `content-length`")
        })
}
