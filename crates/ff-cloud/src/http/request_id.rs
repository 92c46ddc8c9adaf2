//! A request's id: taken from `x-request-id` where that is sane, made up otherwise; in the span
//! of every log line, in every problem, and in the answer's header.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::telemetry;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LEN: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// Id of the request being served, inside its task.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Puts it into the headers of a request that is passed on.
pub fn put(headers: &mut HeaderMap) {
    if let Some(id) = current()
        && let Ok(value) = HeaderValue::from_str(&id)
    {
        headers.insert(HEADER, value);
    }
}

/// Middleware that gives the request its id and its log span.
pub async fn request_id(request: Request, next: Next) -> Response {
    let id = sane(request.headers().get(&HEADER)).unwrap_or_else(fresh);
    // The query is left out: it may hold what is not for the log.
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        method = %request.method(),
        path = %request.uri().path(),
        vm = tracing::field::Empty,
    );
    let began = Instant::now();
    let serve = async {
        let response = next.run(request).await;
        tracing::info!(
            status = response.status().as_u16(),
            millis = began.elapsed().as_millis() as u64,
            "answered"
        );
        response
    };
    let mut response = CURRENT
        .scope(id.clone(), telemetry::of_request(serve.instrument(span)))
        .await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn sane(value: Option<&HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let sane = (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(plain);
    sane.then(|| text.to_owned())
}

fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}
