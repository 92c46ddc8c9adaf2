//! Shapes a forwarded request and its answer.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use ff_client::ByteStream;
use ff_protocol::{ErrorCode, VmId};
use futures_util::{StreamExt, stream};

use super::request_id;
use crate::agent::{Forward, Payload};
use crate::http::DevUser;
use crate::services::workspace::{Purpose, Route};
use crate::{App, Error, Result};

/// Largest body of a forwarded request, in bytes.
const LIMIT: u64 = 32 << 20;
/// A body up to this size is held, and sent again if the VM goes to sleep just then.
const HELD: usize = 1 << 20;
/// Longest wait for the next piece of a body.
const STALL: Duration = Duration::from_secs(60);

/// Passes a request on to the agent of a route.
pub async fn to_agent(app: &App, route: Route, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    request_id::put(&mut parts.headers);
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LIMIT) {
        return Err(Error::refused(
            ErrorCode::TooLarge,
            format!("the body is larger than {LIMIT} bytes"),
        ));
    }
    let body = match body.is_end_stream() {
        true => Payload::None,
        false => held(limited(body)).await?,
    };
    let forward = Forward {
        method: parts.method,
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
        body,
    };
    let answer = app.workspaces.pass(route, forward).await?;
    let body = Body::from_stream(answer.body);
    Ok((answer.status, answer.headers, body).into_response())
}

/// Passes a request on to the agent of a VM that the user has.
pub async fn to_vm(
    app: &App,
    user: &DevUser,
    vm: &VmId,
    purpose: Purpose,
    request: Request,
) -> Result<Response> {
    let way = app.workspaces.vm_route(vm, user.0.as_ref(), purpose);
    to_agent(app, way.await?, request).await
}

/// The body, which fails when it goes beyond the limit.
fn limited(body: Body) -> ByteStream {
    let mut left = LIMIT;
    let chunks = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(axum::Error::into_inner)?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or("the body is too large")?;
        Ok(chunk)
    });
    Box::pin(chunks)
}

/// The body as a whole, if it is not too large to be held.
async fn held(mut body: ByteStream) -> Result<Payload> {
    let mut whole = BytesMut::new();
    loop {
        let next = tokio::time::timeout(STALL, body.next());
        match next.await {
            Ok(None) => return Ok(Payload::Whole(whole.freeze())),
            Ok(Some(Ok(chunk))) => {
                whole.extend_from_slice(&chunk);
                if whole.len() > HELD {
                    let first: Bytes = whole.freeze();
                    let all = stream::iter([Ok(first)]).chain(body);
                    return Ok(Payload::Once(Box::pin(all)));
                }
            }
            Ok(Some(Err(error))) => {
                let detail = format!("the body could not be read: {error}");
                return Err(Error::refused(ErrorCode::BadRequest, detail));
            }
            Err(_) => {
                let detail = format!("the body stood still for {} s", STALL.as_secs());
                return Err(Error::refused(ErrorCode::Timeout, detail));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_held_up_to_a_size_and_passes_whole_beyond() {
        let held_of = async |size: usize| held(limited(Body::from(vec![7; size]))).await.unwrap();
        assert!(matches!(held_of(HELD).await, Payload::Whole(all) if all.len() == HELD));
        match held_of(HELD + 1).await {
            Payload::Once(body) => {
                let chunks: Vec<_> = body.map(|chunk| chunk.unwrap().len()).collect().await;
                assert_eq!(chunks.iter().sum::<usize>(), HELD + 1);
            }
            _ => panic!("it was held"),
        }
    }
}
