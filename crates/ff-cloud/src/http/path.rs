//! Path and query parameters whose rejections are problems.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use ff_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::Error;

/// Path parameters. A value that breaks the rule for ids is `400`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                let detail = rejection.body_text();
                let detail = detail.strip_prefix("Invalid URL: ").unwrap_or(&detail);
                Err(Error::refused(ErrorCode::BadRequest, detail).into())
            }
        }
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                Err(Error::refused(ErrorCode::BadRequest, rejection.body_text()).into())
            }
        }
    }
}
