use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::log::{Credential, MessagesRequest};
use super::reply::{Block, Reply};
use super::stream::{Message, new_id};
use super::turn::Turn;
use super::{Fault, Shared};
use crate::login::Checked;

const MAX_BODY: usize = 64 * 1024 * 1024;
const SESSION_HEADER: &str = "x-claude-code-session-id";
const RETRY_AFTER: &str = "1";

struct Call {
    head: Parts,
    credential: Credential,
    refusal: Option<&'static str>,
    session: Option<String>,
    body: Arc<Value>,
    size: usize,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY).await else {
        let message = "the stand-in answers 413";
        return api_error(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message);
    };
    let call = Call::new(head, &bytes, &shared);
    match (&call.head.method, call.head.uri.path()) {
        (&Method::HEAD, _) => {
            call.log(&shared, StatusCode::OK);
            StatusCode::OK.into_response()
        }
        (&Method::POST, "/v1/messages" | "/v1/messages/count_tokens") if call.refusal.is_some() => {
            call.refuse(&shared, StatusCode::UNAUTHORIZED)
        }
        (&Method::POST, "/v1/messages") => messages(&shared, &call).await,
        (&Method::POST, "/v1/messages/count_tokens") => {
            call.log(&shared, StatusCode::OK);
            Json(json!({"input_tokens": call.tokens()})).into_response()
        }
        _ => call.refuse(&shared, StatusCode::NOT_FOUND),
    }
}

async fn messages(shared: &Shared, call: &Call) -> Response {
    if !call.body["messages"].is_array() {
        return call.refuse(shared, StatusCode::BAD_REQUEST);
    }
    let fault = shared.fault();
    match fault {
        Some(Fault::Status(status)) => return call.refuse(shared, status_of(status)),
        Some(Fault::Hang) => {
            call.log(shared, StatusCode::OK);
            return std::future::pending().await;
        }
        Some(Fault::CutStream) | None => {}
    }
    let turn = Turn::from_body(&call.body, call.session.as_deref());
    let Reply {
        blocks,
        delay,
        error,
    } = shared.script().reply(&turn);
    if let Some(status) = error {
        let refused = call.refuse(shared, status_of(status));
        pause(delay).await;
        return refused;
    }
    call.log(shared, StatusCode::OK);
    pause(delay).await;
    let blocks = blocks
        .into_iter()
        .map(|block| only_offered(block, &turn))
        .collect();
    let message = Message::new(&turn.model, call.tokens(), blocks);
    if call.body["stream"].as_bool() != Some(true) {
        return ([request_id()], Json(message.into_json())).into_response();
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/event-stream; charset=utf-8".to_owned(),
        ),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        request_id(),
    ];
    (
        headers,
        message.into_stream(fault == Some(Fault::CutStream)),
    )
        .into_response()
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn only_offered(block: Block, turn: &Turn) -> Block {
    match block {
        Block::ToolUse { name, .. } if !turn.offers(&name) => {
            Block::Text(format!("The tool {name} is not offered."))
        }
        block => block,
    }
}

impl Call {
    fn new(head: Parts, bytes: &Bytes, shared: &Shared) -> Self {
        let (credential, refusal) = credential(&head.headers, shared);
        let session = header_text(&head.headers, SESSION_HEADER).map(str::to_owned);
        let body = Arc::new(serde_json::from_slice(bytes).unwrap_or(Value::Null));
        Self {
            head,
            credential,
            refusal,
            session,
            body,
            size: bytes.len(),
        }
    }

    fn tokens(&self) -> usize {
        1 + self.size / 4
    }

    fn log(&self, shared: &Shared, status: StatusCode) {
        let path = self
            .head
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        shared.log.push(self.size, |number| MessagesRequest {
            number,
            at: SystemTime::now(),
            method: self.head.method.to_string(),
            path,
            session: self.session.clone(),
            credential: self.credential,
            authorized: self.refusal.is_none(),
            status: status.as_u16(),
            body: Arc::clone(&self.body),
        });
    }

    fn refuse(&self, shared: &Shared, status: StatusCode) -> Response {
        self.log(shared, status);
        let kind = error_type(status);
        let refusal = self.refusal.filter(|_| status == StatusCode::UNAUTHORIZED);
        let message = match (refusal, kind) {
            (Some(message), _) => message.to_owned(),
            (None, "authentication_error") => "invalid x-api-key".to_owned(),
            (None, _) => format!("the stand-in answers {}", status.as_u16()),
        };
        api_error(status, kind, &message)
    }
}

/// The kind of credential, and why it is refused if it is.
fn credential(headers: &HeaderMap, shared: &Shared) -> (Credential, Option<&'static str>) {
    if let Some(key) = header_text(headers, "x-api-key") {
        let refusal = (key != shared.api_key).then_some("invalid x-api-key");
        return (Credential::ApiKey, refusal);
    }
    let Some(value) = header_text(headers, "authorization") else {
        return (Credential::None, Some("x-api-key header is required"));
    };
    let token = value.strip_prefix("Bearer ").unwrap_or_default();
    let refusal = match shared.logins.check(token) {
        Checked::Good => None,
        Checked::Unknown if token == shared.api_key => None,
        Checked::Unknown => Some("Invalid bearer token"),
        Checked::Expired => Some(
            "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        ),
        Checked::Revoked => Some("OAuth access token has been revoked"),
    };
    (Credential::Bearer, refusal)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn request_id() -> (HeaderName, String) {
    (HeaderName::from_static("request-id"), new_id("req"))
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn api_error(status: StatusCode, kind: &str, message: &str) -> Response {
    let (name, id) = request_id();
    let body =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::RETRY_AFTER, RETRY_AFTER)
        .header(name, id)
        .body(Body::from(body.to_string()));
    response.unwrap_or_else(|_| status.into_response())
}
