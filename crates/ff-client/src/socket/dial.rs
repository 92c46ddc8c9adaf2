//! Making a WebSocket connection.

use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::error::{ClientError, Result};
use crate::http::{CONNECT, Http};

/// Largest message either side may send, in bytes.
pub const MESSAGE_LIMIT: usize = 32 << 20;

const READ_BUFFER: usize = 16 << 10;

/// A connected WebSocket.
pub type WsStream = WebSocketStream<TcpStream>;

impl Http {
    /// Connects to `path_and_query`; `deadline` bounds the wait for the peer's consent.
    pub(crate) async fn dial(
        &self,
        path_and_query: &str,
        headers: HeaderMap,
        deadline: Duration,
    ) -> Result<WsStream> {
        let stream = self.connect().await?;
        let base = self.base().trim_start_matches("http");
        let mut request = format!("ws{base}{path_and_query}")
            .into_client_request()
            .map_err(|error| self.socket_error(error))?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.auth().headers());
        let handshake = client_async_with_config(request, stream, Some(config()));
        let (socket, _) = tokio::time::timeout(deadline, handshake)
            .await
            .map_err(|_| self.timeout(deadline))?
            .map_err(|error| self.socket_error(error))?;
        Ok(socket)
    }

    /// A connection to the peer; small messages do not wait on it.
    pub(super) async fn connect(&self) -> Result<TcpStream> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(self.address()))
            .await
            .map_err(|_| self.timeout(CONNECT))?
            .map_err(|error| self.unconnected(error))?;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        Ok(stream)
    }

    fn unconnected(&self, error: std::io::Error) -> ClientError {
        let address = self.address().to_owned();
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => ClientError::Refused { address },
            _ => ClientError::Unreachable {
                address,
                source: error.into(),
            },
        }
    }

    pub(crate) fn socket_error(&self, error: tungstenite::Error) -> ClientError {
        match error {
            tungstenite::Error::Http(response) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                self.refusal(status, &body)
            }
            tungstenite::Error::Capacity(_) => {
                self.unexpected(None, "a message is too large".into())
            }
            error => ClientError::Broken {
                address: self.address().to_owned(),
                source: error.into(),
            },
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_LIMIT)
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT))
}
