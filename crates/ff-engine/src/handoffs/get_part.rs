//! Give a part of the bundle out.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use ff_protocol::{ErrorCode, HandoffId};
use tokio::io::{AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use super::From;
use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

pub(super) async fn get_part(
    State(engine): State<Engine>,
    Path((id, sha256)): Path<(HandoffId, String)>,
    Query(from): Query<From>,
) -> Result<impl IntoResponse, ApiError> {
    let path = engine.core().handoff_part(&id, &sha256).await?;
    let gone = |_| {
        ApiError::new(
            ErrorCode::NotFound,
            format!("the bundle has no part {sha256}"),
        )
    };
    let mut file = tokio::fs::File::open(path).await.map_err(gone)?;
    let size = file.metadata().await.map_err(gone)?.len();
    let Some(length) = size.checked_sub(from.offset) else {
        let detail = format!("the part has {size} bytes, less than {}", from.offset);
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    };
    file.seek(SeekFrom::Start(from.offset))
        .await
        .map_err(gone)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))))
}
