//! Errors as `application/problem+json`.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ff_protocol::{ErrorCode, Problem};

use super::request_id;
use crate::error::{Error, chain};

/// What a handler answers instead of a reply.
#[derive(Debug)]
pub struct Failure(Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        if problem.status >= 500 {
            tracing::error!(code = problem.code.as_str(), error = %chain(&self.0), "request failed");
        } else {
            tracing::debug!(code = problem.code.as_str(), detail = %problem.detail, "refused");
        }
        response(problem)
    }
}

/// The answer that carries a problem; the current request's id is put into it.
pub fn response(mut problem: Problem) -> Response {
    problem.request_id = request_id::current();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)], body).into_response()
}

/// Answer to a path nobody serves.
pub async fn no_route(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    response(Problem::new(
        ErrorCode::NotFound,
        format!("there is nothing at {path}"),
    ))
}

/// Answer to a method the path does not take.
pub async fn no_method(method: axum::http::Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    response(Problem::new(
        ErrorCode::MethodNotAllowed,
        format!("{path} does not take {method}"),
    ))
}
