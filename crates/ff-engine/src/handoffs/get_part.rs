//! Give a part of the bundle out.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use ff_protocol::{ErrorCode, HandoffId};
use tokio_util::io::ReaderStream;

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn get_part(
    State(engine): State<Engine>,
    Path((id, sha256)): Path<(HandoffId, String)>,
) -> Result<impl IntoResponse, ApiError> {
    let path = engine.core().handoff_part(&id, &sha256).await?;
    let gone = |_| {
        ApiError::new(
            ErrorCode::NotFound,
            format!("the bundle has no part {sha256}"),
        )
    };
    let file = tokio::fs::File::open(path).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))))
}
