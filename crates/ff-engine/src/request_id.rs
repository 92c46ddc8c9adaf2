//! A request's id: taken from `x-request-id` where that is sane, made up otherwise; in every problem,
//! in the log, and in the answer's header.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// Id of the request being served, inside its task.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Middleware that gives a request its id. To be put outside of everything that answers.
pub async fn request_id(request: Request, next: Next) -> Response {
    let id = sane(request.headers().get(&HEADER)).unwrap_or_else(fresh);
    let span = tracing::info_span!("request", request_id = %id);
    let serve = next.run(request).instrument(span);
    let mut response = CURRENT.scope(id.clone(), serve).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn sane(value: Option<&HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let sane = (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
    sane.then(|| text.to_owned())
}

fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}
