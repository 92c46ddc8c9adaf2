//! What is before every request: its deadline, and the gate if it changes something.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ff_core::activity::Permits;
use ff_engine::ApiError;
use ff_protocol::ErrorCode;
use ff_protocol::agent::{DEADLINE_HEADER, QUIESCE_PATH};

/// Lets a request pass that is in time, with a permit if it changes something.
pub(crate) async fn guard(
    State(permits): State<Permits>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(refused) = in_time(request.headers()) {
        return refused.into_response();
    }
    let path = request.uri().path();
    if request.method() == Method::GET || path.starts_with(QUIESCE_PATH) {
        return next.run(request).await;
    }
    let name = format!("{} {path}", request.method());
    match permits.try_take(&name) {
        Some(_permit) => next.run(request).await,
        None => ApiError::new(
            ErrorCode::Quiesced,
            "the VM is about to sleep and changes nothing meanwhile",
        )
        .into_response(),
    }
}

/// A frozen VM's kernel accepts requests; whoever sent one has gone when it is read.
fn in_time(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(DEADLINE_HEADER) else {
        return Ok(());
    };
    let deadline = value.to_str().ok().and_then(|text| text.parse().ok());
    let deadline: u128 = deadline.ok_or_else(|| {
        let detail = format!("{DEADLINE_HEADER} is Unix time in milliseconds");
        ApiError::new(ErrorCode::BadRequest, detail)
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    if now.unwrap_or_default().as_millis() <= deadline {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Timeout,
        "the request was read after its deadline and not executed",
    ))
}
