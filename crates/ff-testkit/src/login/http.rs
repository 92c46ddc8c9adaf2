use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Checked, EMAIL, LoginRequest, Refresh, Shared};

const MAX_BODY: usize = 64 * 1024;
const TOKEN_PATH: &str = "/v1/oauth/token";
const SCOPES: &str = "user:inference user:profile user:sessions:claude_code";
const ACCOUNT: &str = "11111111-1111-4111-8111-111111111111";
const ORGANIZATION: &str = "22222222-2222-4222-8222-222222222222";

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let is_token = head.method == Method::POST && path == TOKEN_PATH;
    let bearer = head.headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
    let mut refresh = None;
    let response = match (is_token, profile(&path)) {
        (true, _) => {
            let bytes = axum::body::to_bytes(body, MAX_BODY).await.ok();
            let asked = bytes.and_then(|it| serde_json::from_slice::<Value>(&it).ok());
            let (outcome, answer) = token(&shared, &asked.unwrap_or_default());
            refresh = outcome;
            answer
        }
        (false, Some(profile)) => match shared.logins.check(bearer.unwrap_or_default()) {
            Checked::Good => Json(profile).into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        },
        (false, None) => StatusCode::NOT_FOUND.into_response(),
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

/// What the CLI asks about an account once it has a login; `None` for another path.
fn profile(path: &str) -> Option<Value> {
    match path {
        "/api/oauth/profile" => Some(json!({
            "account": {
                "uuid": ACCOUNT, "email": EMAIL, "full_name": "Ada", "display_name": "Ada",
                "has_claude_max": true, "has_claude_pro": false, "created_at": "2026-01-01T00:00:00Z",
            },
            "organization": {
                "uuid": ORGANIZATION, "name": "Ada", "organization_type": "claude_max",
                "rate_limit_tier": "default_claude_max_5x", "has_extra_usage_enabled": false,
                "billing_type": "stripe_subscription",
            },
        })),
        "/api/oauth/claude_cli/roles" => Some(json!({
            "organization_uuid": ORGANIZATION, "organization_name": "Ada",
            "organization_role": "admin", "workspace_uuid": null, "workspace_name": null,
            "workspace_role": null,
        })),
        _ => None,
    }
}

fn token(shared: &Shared, asked: &Value) -> (Option<Refresh>, Response) {
    let refresh = asked["refresh_token"].as_str().unwrap_or_default();
    let (told, outcome) = match asked["grant_type"].as_str() {
        Some("refresh_token") => {
            let outcome = shared.logins.renew(refresh);
            let told = outcome.as_ref().map_or_else(|it| *it, |_| Refresh::Renewed);
            (Some(told), outcome)
        }
        Some("authorization_code") if shared.open.redeem(asked) => {
            (None, Ok(shared.logins.fresh()))
        }
        Some("authorization_code") => (None, Err(Refresh::Refused)),
        _ => (Some(Refresh::Refused), Err(Refresh::Refused)),
    };
    let answer = match outcome {
        Ok(grant) => Json(json!({
            "token_type": "Bearer",
            "access_token": grant.access,
            "refresh_token": grant.refresh,
            "expires_in": grant.lifetime.as_secs(),
            "scope": asked["scope"].as_str().unwrap_or(SCOPES),
            "account": {"uuid": ACCOUNT, "email_address": EMAIL},
            "organization": {"uuid": ORGANIZATION, "name": "Ada"},
        }))
        .into_response(),
        Err(Refresh::Unavailable) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(_) => {
            let answer = json!({
                "error": "invalid_grant",
                "error_description": "the code or refresh token is not good",
            });
            (StatusCode::BAD_REQUEST, Json(answer)).into_response()
        }
    };
    (told, answer)
}
