//! Upgrades to WebSocket (RFC 6455, 4.2) whose rejections are problems.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ff_client::socket::RawSocket;
use ff_protocol::ErrorCode;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Failure;
use crate::Error;

/// A request for a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    key: String,
    upgrade: OnUpgrade,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::read(parts).map_err(|why| {
            let detail = format!("this is a WebSocket: {why}");
            Error::refused(ErrorCode::BadRequest, detail).into()
        })
    }
}

impl Upgrade {
    fn read(parts: &mut Parts) -> Result<Self, &'static str> {
        let headers = &parts.headers;
        if parts.method != Method::GET {
            return Err("it is asked for by GET");
        }
        if !names(headers, &header::CONNECTION, "upgrade")
            || !names(headers, &header::UPGRADE, "websocket")
        {
            return Err("`Connection: Upgrade` and `Upgrade: websocket` are missing");
        }
        if !names(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
            return Err("it has version 13");
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.and_then(|key| key.to_str().ok());
        let key = key.ok_or("`Sec-WebSocket-Key` is missing")?.to_owned();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or("this connection cannot become one")?;
        Ok(Self { key, upgrade })
    }

    /// The answer that consents, and the connection, which is there once the answer is sent.
    pub fn consent(
        self,
    ) -> (
        Response,
        impl Future<Output = Option<RawSocket>> + Send + use<>,
    ) {
        let headers = [
            (header::CONNECTION, "upgrade".to_owned()),
            (header::UPGRADE, "websocket".to_owned()),
            (
                header::SEC_WEBSOCKET_ACCEPT,
                derive_accept_key(self.key.as_bytes()),
            ),
        ];
        let response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        (response, connection(self.upgrade))
    }
}

async fn connection(upgrade: OnUpgrade) -> Option<RawSocket> {
    // Otherwise the client went away meanwhile.
    let upgraded = upgrade.await.ok()?;
    match upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => Some(RawSocket {
            stream: parts.io.into_inner(),
            early: parts.read_buf,
        }),
        Err(_) => {
            tracing::error!("a WebSocket's connection is of an unknown kind");
            None
        }
    }
}

/// Whether a header that lists words has this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    words.any(|it| it.trim().eq_ignore_ascii_case(word))
}
