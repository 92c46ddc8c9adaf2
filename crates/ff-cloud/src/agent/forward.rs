//! Passing a request on to an agent, and its answer back.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use ff_client::raw::{RawRequest, RawResponse};
use ff_client::{AgentClient, ByteStream, ClientError};
use ff_protocol::{ErrorCode, Problem};
use futures_util::{StreamExt, stream};

use super::{failure, link};
use crate::Error;

/// Headers of a request that the agent sees. Not among them: the caller's credentials, cookies,
/// and whatever belongs to the connection.
const TO_AGENT: [HeaderName; 5] = [
    header::ACCEPT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    IDEMPOTENCY_KEY,
    REQUEST_ID,
];

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of an answer that the caller sees.
const FROM_AGENT: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// Parameters of the query that are for this server and not for the agent.
const OURS: [&str; 2] = ["userId", "wake"];

/// Longest wait for the agent's answer.
const DEADLINE: Duration = Duration::from_secs(120);

/// Largest refusal that is looked into, in bytes.
const REFUSAL: usize = 64 << 10;

/// A body to pass on.
pub enum Payload {
    /// It has none.
    None,
    /// It is there as a whole, and can be sent again.
    Whole(Bytes),
    /// It goes by once.
    Once(ByteStream),
    /// It went by.
    Spent,
}

impl Payload {
    /// Whether it can be sent.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::Spent)
    }

    fn take(&mut self) -> Option<ByteStream> {
        match std::mem::replace(self, Self::Spent) {
            Self::None => {
                *self = Self::None;
                None
            }
            Self::Whole(bytes) => {
                *self = Self::Whole(bytes.clone());
                Some(Box::pin(stream::iter([Ok(bytes)])))
            }
            Self::Once(body) => Some(body),
            Self::Spent => None,
        }
    }
}

/// How passing a request on went.
pub enum Outcome {
    /// The agent answered, perhaps with an error.
    Answer(RawResponse),
    /// The agent executes nothing meanwhile, and has not executed this; its answer.
    Quiesced(RawResponse),
    /// No agent of this VM answered.
    Nothing {
        /// Whether it may have executed the request all the same.
        perhaps_executed: bool,
        /// What the caller is told if it stays so.
        error: Error,
    },
    /// There was no answer in time.
    Late(Error),
}

impl Outcome {
    /// No agent answered.
    pub fn nothing(perhaps_executed: bool) -> Self {
        Self::Nothing {
            perhaps_executed,
            error: link::unavailable(),
        }
    }
}

/// A request to pass on.
pub struct Forward<'a> {
    /// Its method.
    pub method: Method,
    /// Its path, the same at the agent.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: Payload,
}

impl Forward<'_> {
    /// Whether executing it twice does what executing it once does.
    pub fn may_repeat(&self) -> bool {
        self.method.is_safe() || self.headers.contains_key(&IDEMPOTENCY_KEY)
    }
}

/// Passes a request on once.
pub async fn forward(agent: &AgentClient, request: &mut Forward<'_>) -> Outcome {
    let raw = RawRequest {
        method: request.method.clone(),
        path_and_query: path_and_query(request.path, request.query),
        headers: only(request.headers, &TO_AGENT),
        body: request.body.take(),
        deadline: DEADLINE,
    };
    let mut response = match agent.forward(raw).await {
        Ok(response) => response,
        Err(error @ ClientError::Timeout { .. }) => return Outcome::Late(failure(error)),
        Err(error) => {
            let unsent = matches!(
                error,
                ClientError::Refused { .. } | ClientError::Unreachable { .. }
            );
            return Outcome::Nothing {
                perhaps_executed: !unsent,
                error: failure(error),
            };
        }
    };
    let status = response.status;
    response.headers = only(&response.headers, &FROM_AGENT);
    let is_problem = response
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == Problem::MEDIA_TYPE.as_bytes());
    match status {
        // Between the agent and us: to the caller it would say that their key is wrong.
        StatusCode::UNAUTHORIZED => Outcome::nothing(false),
        // No agent answers so.
        StatusCode::BAD_GATEWAY if !is_problem => Outcome::nothing(true),
        StatusCode::CONFLICT if is_problem => look_into(response).await,
        _ => Outcome::Answer(response),
    }
}

/// Tells a refusal of an agent that is quiesced from others.
async fn look_into(mut response: RawResponse) -> Outcome {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.body.next().await {
        match chunk {
            Ok(chunk) if body.len() + chunk.len() <= REFUSAL => body.extend_from_slice(&chunk),
            Ok(_) | Err(_) => return Outcome::nothing(true),
        }
    }
    let body = body.freeze();
    let problem = serde_json::from_slice::<Problem>(&body);
    response.body = Box::pin(stream::iter([Ok(body)]));
    match problem {
        Ok(problem) if problem.code == ErrorCode::Quiesced => Outcome::Quiesced(response),
        _ => Outcome::Answer(response),
    }
}

/// A path with what of the query is for the agent.
pub fn path_and_query(path: &str, query: Option<&str>) -> String {
    let theirs: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && !OURS.contains(&name)
        })
        .collect();
    match theirs.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", theirs.join("&")),
    }
}

fn only(headers: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    allowed
        .iter()
        .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_sees_no_credentials_and_nothing_of_the_connection() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "cookie",
            "x-ff-user",
            "host",
            "connection",
            "content-type",
            "idempotency-key",
            "x-request-id",
        ] {
            headers.insert(HeaderName::from_static(name), name.parse().unwrap());
        }
        let seen = only(&headers, &TO_AGENT);
        let mut names: Vec<_> = seen.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "idempotency-key", "x-request-id"]);
    }

    #[test]
    fn the_query_loses_what_is_ours() {
        for (query, expected) in [
            (None, "/a"),
            (Some(""), "/a"),
            (Some("userId=u&wake=true"), "/a"),
            (Some("after=j:5&userId=u&x"), "/a?after=j:5&x"),
            (Some("wakeful=1&wake"), "/a?wakeful=1"),
        ] {
            assert_eq!(path_and_query("/a", query), expected, "{query:?}");
        }
    }
}
