//! Passing a request on to an agent, and its answer back.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use ff_client::raw::{RawRequest, RawResponse};
use ff_client::{AgentClient, ByteStream};

use super::{failure, link};
use crate::Result;

/// Headers of a request that the agent sees. Not among them: the caller's credentials, cookies,
/// and whatever belongs to the connection.
const TO_AGENT: [HeaderName; 4] = [
    header::ACCEPT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
];

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
    /// Its body, unless it has none.
    pub body: Option<ByteStream>,
}

/// Passes a request on and answers with what the agent says, an error status too.
///
/// # Errors
/// `agent_unavailable`, `timeout`.
pub async fn forward(agent: &AgentClient, request: Forward<'_>) -> Result<RawResponse> {
    let raw = RawRequest {
        method: request.method,
        path_and_query: path_and_query(request.path, request.query),
        headers: only(request.headers, &TO_AGENT),
        body: request.body,
        deadline: DEADLINE,
    };
    let mut response = agent.forward(raw).await.map_err(failure)?;
    if response.status == StatusCode::UNAUTHORIZED {
        // Between the agent and us: to the caller it would say that their key is wrong.
        return Err(link::unavailable());
    }
    response.headers = only(&response.headers, &FROM_AGENT);
    Ok(response)
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
        ] {
            headers.insert(HeaderName::from_static(name), name.parse().unwrap());
        }
        let seen = only(&headers, &TO_AGENT);
        let mut names: Vec<_> = seen.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "idempotency-key"]);
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
