//! Requests passed on as they are, with streaming bodies both ways.

use std::error::Error as StdError;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::error::{Result, transport};
use crate::http::{Http, STALL};

/// A body in pieces.
pub type ByteStream =
    Pin<Box<dyn Stream<Item = Result<Bytes, Box<dyn StdError + Send + Sync>>> + Send>>;

/// A request to pass on.
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// Path with query, beginning with `/`.
    pub path_and_query: String,
    /// Headers to send besides our credentials.
    pub headers: HeaderMap,
    /// Body, where there is one.
    pub body: Option<ByteStream>,
    /// Longest wait for the head of the answer once the body stands still or is sent.
    pub deadline: Duration,
}

/// Its answer, whatever its status.
pub struct RawResponse {
    /// Status of the answer.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it comes.
    pub body: ByteStream,
}

impl Http {
    pub(crate) async fn forward(&self, request: RawRequest) -> Result<RawResponse> {
        let mut builder = self
            .request(request.method, &request.path_and_query)
            .headers(request.headers);
        // Credentials win over anything in the passed headers.
        builder = builder.headers(self.auth().headers());
        let deadline = request.deadline;
        let response = match request.body {
            None => tokio::time::timeout(deadline, self.dispatch(builder, deadline))
                .await
                .map_err(|_| self.timeout(deadline))?
                .map_err(|error| transport(self.address(), deadline, error))?,
            Some(body) => self.upload(builder, body, deadline).await?,
        };
        Ok(RawResponse {
            status: response.status(),
            headers: response.headers().clone(),
            body: Box::pin(
                self.chunks(response, STALL.max(deadline))
                    .map(|chunk| chunk.map_err(Into::into)),
            ),
        })
    }
}
