use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::config::RateLimit;

const HOUR: u64 = 3600;
const PRIMARY: &str = "API rate limit exceeded for user ID 1.";
const SECONDARY: &str =
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";

/// The answer to a request too many, as GitHub gives it
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
pub(super) fn refusal(limit: RateLimit, graphql: bool) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let reset = now.unwrap_or_default().as_secs() + HOUR;
    let message = |message: &str| json!({"message": message, "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"});
    let (status, headers, body): (_, Vec<(&str, String)>, Value) = match limit {
        RateLimit::Secondary => (
            StatusCode::FORBIDDEN,
            vec![("retry-after", "60".to_owned())],
            message(SECONDARY),
        ),
        RateLimit::Primary if graphql => (
            StatusCode::OK,
            used_up(reset),
            json!({"errors": [{"type": "RATE_LIMITED", "message": PRIMARY}]}),
        ),
        RateLimit::Primary => (StatusCode::FORBIDDEN, used_up(reset), message(PRIMARY)),
        RateLimit::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            used_up(reset),
            message(PRIMARY),
        ),
    };
    let mut response = (status, body.to_string()).into_response();
    let json = ("content-type", "application/json; charset=utf-8".to_owned());
    for (name, value) in headers.into_iter().chain([json]) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn used_up(reset: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-used", "5000".to_owned()),
        ("x-ratelimit-reset", reset.to_string()),
    ]
}
