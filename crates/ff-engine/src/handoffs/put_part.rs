//! Take a part of the bundle in.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::HandoffId;
use ff_protocol::handoff::Part;
use futures_util::TryStreamExt;
use tokio_util::io::StreamReader;

use super::From;
use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

pub(super) async fn put_part(
    State(engine): State<Engine>,
    Path((id, sha256)): Path<(HandoffId, String)>,
    Query(from): Query<From>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    // The offer says the true name and size of each part.
    let part = Part {
        name: sha256.clone(),
        sha256,
        size: u64::MAX,
    };
    engine
        .core()
        .handoff_put_part_from(&id, &part, from.offset, StreamReader::new(stream))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
