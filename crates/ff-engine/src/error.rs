//! Errors as `application/problem+json`: the one place where they become HTTP.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ff_protocol::{ErrorCode, Problem};

use crate::request_id;

/// An error answer.
#[derive(Debug)]
pub struct ApiError(pub Problem);

impl ApiError {
    /// An answer with the status of its code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<ff_core::Error> for ApiError {
    fn from(error: ff_core::Error) -> Self {
        if error.code() == ErrorCode::Internal {
            let chain: Vec<String> = causes(&error).collect();
            tracing::error!(error = chain.join(": "), "a request failed");
        }
        Self(error.problem())
    }
}

fn causes(error: &dyn std::error::Error) -> impl Iterator<Item = String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string)
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        self.0.request_id = request_id::current();
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let media_type = HeaderValue::from_static(Problem::MEDIA_TYPE);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }
}
