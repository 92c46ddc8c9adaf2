//! Upgrades to WebSocket whose rejections are problems.

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use ff_protocol::ErrorCode;

use super::Failure;
use crate::Error;

/// A request for a WebSocket.
pub struct Upgrade(pub WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match WebSocketUpgrade::from_request_parts(parts, state).await {
            Ok(upgrade) => Ok(Self(upgrade)),
            Err(rejection) => Err(Error::refused(
                ErrorCode::BadRequest,
                format!("this is a WebSocket: {}", rejection.body_text()),
            )
            .into()),
        }
    }
}
