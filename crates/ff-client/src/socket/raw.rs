//! A WebSocket as its plain connection, for who passes frames on as they stand.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{ClientError, Result};
use crate::http::Http;

/// Largest refusal that is read, in bytes.
const REFUSAL: usize = 64 << 10;

/// A connection on which both sides have agreed to speak WebSocket, without extensions.
#[derive(Debug)]
pub struct RawSocket {
    /// The connection.
    pub stream: TcpStream,
    /// What the peer said right behind its consent.
    pub early: Bytes,
}

impl Http {
    /// As [`Self::dial`], but the frames are the caller's matter.
    pub(crate) async fn dial_raw(
        &self,
        path_and_query: &str,
        headers: HeaderMap,
        deadline: Duration,
    ) -> Result<RawSocket> {
        let stream = self.connect().await?;
        let agreeing = self.agree(stream, path_and_query, headers);
        tokio::time::timeout(deadline, agreeing)
            .await
            .map_err(|_| self.timeout(deadline))?
    }

    /// The opening handshake (RFC 6455, 4.1).
    async fn agree(
        &self,
        stream: TcpStream,
        path_and_query: &str,
        headers: HeaderMap,
    ) -> Result<RawSocket> {
        let broken = |source: hyper::Error| ClientError::Broken {
            address: self.address().to_owned(),
            source: source.into(),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let _driven = AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
        let key = generate_key();
        let request = self.upgrade(path_and_query, headers, &key)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (status, accept) = (answer.status(), derive_accept_key(key.as_bytes()));
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = Limited::new(answer.into_body(), REFUSAL).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(self.refusal(status.as_u16(), &body));
        }
        let said = |name| answer.headers().get(name).map(HeaderValue::as_bytes);
        if said(header::SEC_WEBSOCKET_ACCEPT) != Some(accept.as_bytes())
            || said(header::SEC_WEBSOCKET_EXTENSIONS).is_some()
        {
            let detail = "it agreed to something else than was asked".into();
            return Err(self.unexpected(Some(status.as_u16()), detail));
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Ok(RawSocket {
                stream: parts.io.into_inner(),
                early: parts.read_buf,
            }),
            Err(_) => Err(self.unexpected(None, "its connection is of another kind".into())),
        }
    }

    fn upgrade(
        &self,
        path_and_query: &str,
        headers: HeaderMap,
        key: &str,
    ) -> Result<Request<Empty<Bytes>>> {
        let url = format!("{}{path_and_query}", self.base());
        let bad = || ClientError::Address {
            url: url.chars().take(200).collect(),
            why: "it is no URL",
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        // The peer's address may have a path in front.
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path)
            .header(header::HOST, self.address())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key)
            .body(Empty::new());
        let mut request = request.map_err(|_| bad())?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.auth().headers());
        Ok(request)
    }
}
