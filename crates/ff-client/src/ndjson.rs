//! JSON values, one a line, from a body that comes in pieces.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::http::Http;

/// Longest line, in bytes.
const LINE_LIMIT: usize = 1 << 20;

/// The values of a body. Ends with the body, or after the first error.
pub(crate) fn values<T, S>(
    http: Http,
    chunks: S,
) -> impl Stream<Item = Result<T>> + Send + Unpin + use<T, S>
where
    T: DeserializeOwned + Send,
    S: Stream<Item = Result<Bytes>> + Send + Unpin,
{
    let start = Some((chunks, BytesMut::new()));
    Box::pin(futures_util::stream::unfold(start, move |state| {
        let http = http.clone();
        async move {
            let (mut chunks, mut rest) = state?;
            loop {
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = rest.split_to(end + 1);
                    let value = serde_json::from_slice(&line);
                    let value = value.map_err(|error| http.unexpected(None, error.to_string()));
                    let next = value.is_ok().then_some((chunks, rest));
                    return Some((value, next));
                }
                if rest.len() > LINE_LIMIT {
                    let error = http.unexpected(None, "a line is too long".to_owned());
                    return Some((Err(error), None));
                }
                match chunks.next().await? {
                    Ok(chunk) => rest.extend_from_slice(&chunk),
                    Err(error) => return Some((Err(error), None)),
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::{Auth, ClientError};

    async fn read(pieces: &[&'static [u8]]) -> Vec<Result<Vec<u8>>> {
        let http = Http::new("http://127.0.0.1:1", Auth::None).unwrap();
        let pieces: Vec<Result<Bytes>> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece)))
            .collect();
        values(http, stream::iter(pieces)).collect().await
    }

    #[tokio::test]
    async fn lines_are_put_together_from_pieces() {
        let read = read(&[b"[1]\n[2", b",3]", b"\n[4]\n[5"]).await;
        let read: Vec<Vec<u8>> = read.into_iter().map(Result::unwrap).collect();
        assert_eq!(read, [vec![1], vec![2, 3], vec![4]]);
    }

    #[tokio::test]
    async fn the_first_bad_line_is_the_last() {
        let read = read(&[b"[1]\nnonsense\n[2]\n"]).await;
        assert_eq!(read.len(), 2);
        assert!(matches!(read[1], Err(ClientError::Unexpected { .. })));
    }
}
