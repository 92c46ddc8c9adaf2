//! JSON bodies whose rejections are problems.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use ff_protocol::ErrorCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::Error;

/// A JSON body, in or out.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refusal(rejection).into()),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refusal(rejection: JsonRejection) -> Error {
    let detail = cause(&rejection);
    match rejection {
        JsonRejection::JsonSyntaxError(_) => Error::refused(
            ErrorCode::BadRequest,
            format!("the body is not JSON: {detail}"),
        ),
        JsonRejection::JsonDataError(_) => Error::refused(
            ErrorCode::Invalid,
            format!("the body is not what is expected here: {detail}"),
        ),
        JsonRejection::MissingJsonContentType(_) => {
            Error::refused(ErrorCode::BadRequest, "the body is not declared as JSON")
                .hint("send the header `content-type: application/json`")
        }
        rejection if rejection.status().as_u16() == 413 => Error::refused(
            ErrorCode::TooLarge,
            format!("the body is larger than {} bytes", super::JSON_LIMIT),
        ),
        _ => Error::refused(ErrorCode::BadRequest, "the body could not be read"),
    }
}

/// What serde says, without axum's own words around it.
fn cause(rejection: &JsonRejection) -> String {
    let mut innermost: &dyn std::error::Error = rejection;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
