//! Shapes a forwarded request and its answer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ff_client::ByteStream;
use ff_protocol::ErrorCode;
use futures_util::StreamExt;

use crate::agent::{Forward, forward};
use crate::services::workspace::Route;
use crate::{Error, Result};

/// Largest body of a forwarded request, in bytes.
const LIMIT: u64 = 32 << 20;

/// Passes a request on to the agent of a route.
pub async fn to_agent(route: &Route, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LIMIT) {
        return Err(Error::refused(
            ErrorCode::TooLarge,
            format!("the body is larger than {LIMIT} bytes"),
        ));
    }
    let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let has_body = chunked || length.is_some_and(|length| length > 0);
    let answer = forward(
        &route.agent,
        Forward {
            method: parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            body: has_body.then(|| limited(body)),
        },
    )
    .await?;
    let body = Body::from_stream(answer.body);
    Ok((answer.status, answer.headers, body).into_response())
}

/// The body, which fails when it goes beyond the limit.
fn limited(body: Body) -> ByteStream {
    let mut left = LIMIT;
    let chunks = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(axum::Error::into_inner)?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or("the body is too large")?;
        Ok(chunk)
    });
    Box::pin(chunks)
}
