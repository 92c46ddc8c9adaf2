use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{LoginRequest, Refresh, Shared};

const MAX_BODY: usize = 64 * 1024;
const TOKEN_PATH: &str = "/v1/oauth/token";

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let is_token = head.method == Method::POST && path == TOKEN_PATH;
    let mut refresh = None;
    let response = match is_token {
        true => {
            let bytes = axum::body::to_bytes(body, MAX_BODY).await.ok();
            let asked = bytes.and_then(|it| serde_json::from_slice::<Value>(&it).ok());
            let (outcome, answer) = token(&shared, &asked.unwrap_or_default());
            refresh = Some(outcome);
            answer
        }
        false => StatusCode::NOT_FOUND.into_response(),
    };
    shared.log.push(1, |number| LoginRequest {
        number,
        at: SystemTime::now(),
        host: host.to_owned(),
        method: head.method.to_string(),
        path,
        refresh,
        status: response.status().as_u16(),
    });
    if is_token {
        // The token is used up while its owner still waits for the next one.
        tokio::time::sleep(shared.logins.delay()).await;
    }
    response
}

fn token(shared: &Shared, asked: &Value) -> (Refresh, Response) {
    let refresh = asked["refresh_token"].as_str().unwrap_or_default();
    let outcome = match asked["grant_type"].as_str() {
        Some("refresh_token") => shared.logins.renew(refresh),
        _ => Err(Refresh::Refused),
    };
    match outcome {
        Ok(grant) => {
            let answer = json!({
                "token_type": "Bearer",
                "access_token": grant.access,
                "refresh_token": grant.refresh,
                "expires_in": grant.lifetime.as_secs(),
                "scope": asked["scope"],
            });
            (Refresh::Renewed, Json(answer).into_response())
        }
        Err(Refresh::Unavailable) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            (Refresh::Unavailable, status.into_response())
        }
        Err(refused) => {
            let answer = json!({
                "error": "invalid_grant",
                "error_description": "Refresh token not found or invalid",
            });
            let answer = (StatusCode::BAD_REQUEST, Json(answer));
            (refused, answer.into_response())
        }
    }
}
