//! Sending a body that is too large for a fixed deadline: it may take long, but not stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder, Response};

use crate::error::{Result, transport};
use crate::http::{Http, STALL};
use crate::raw::ByteStream;

impl Http {
    /// Sends `body` and waits for the head of the answer. Fails when no chunk was taken from
    /// `body` for `stall`, or no answer came `stall` after the last one.
    pub(crate) async fn upload(
        &self,
        request: RequestBuilder,
        body: ByteStream,
        stall: Duration,
    ) -> Result<Response> {
        let taken = Arc::new(AtomicU64::new(0));
        let counter = taken.clone();
        let body = body.inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let sending = self.dispatch(request.body(Body::wrap_stream(body)), stall);
        tokio::pin!(sending);
        let mut before = u64::MAX;
        loop {
            match tokio::time::timeout(stall, &mut sending).await {
                Ok(sent) => return sent.map_err(|e| transport(self.address(), stall, e)),
                Err(_) => {
                    let now = taken.load(Ordering::Relaxed);
                    if now == before {
                        return Err(self.timeout(stall));
                    }
                    before = now;
                }
            }
        }
    }

    /// `PUT` of one part of a bundle.
    pub(crate) async fn put_part(&self, path: &str, size: u64, body: ByteStream) -> Result<()> {
        let request = self
            .request(Method::PUT, path)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size);
        let response = self.upload(request, body, STALL).await?;
        self.accept(response, STALL).await.map(|_| ())
    }

    /// `GET` of one part of a bundle.
    pub(crate) async fn get_part(&self, path: &str) -> Result<ByteStream> {
        let request = self.request(Method::GET, path);
        let response = tokio::time::timeout(STALL, self.checked(request, STALL))
            .await
            .unwrap_or_else(|_| Err(self.timeout(STALL)))?;
        let chunks = self.chunks(response, STALL);
        Ok(Box::pin(chunks.map(|chunk| chunk.map_err(Into::into))))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use reqwest::Method;

    use super::*;
    use crate::{Auth, ClientError};

    #[tokio::test]
    async fn a_transfer_that_stands_still_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = Http::new(&url, Auth::None).unwrap();
        let piece = stream::iter([Ok(Bytes::from_static(b"piece"))]);
        let body: ByteStream = Box::pin(piece.chain(stream::pending()));
        let request = http.request(Method::PUT, "/");
        let sent = http.upload(request, body, Duration::from_millis(50)).await;
        assert!(matches!(sent, Err(ClientError::Timeout { .. })), "{sent:?}");
    }
}
