use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::accounts::{Account, AuthKind, credential};
use super::device::{Poll, token_answer};
use super::git_http::{self, GitPath};
use super::{GitHubFault, GitHubRequest, SCOPES, Shared, graphql, limits, rest};

const MAX_API_BODY: usize = 4 * 1024 * 1024;
const API_HOST: &str = "api.github.com";
const BASIC_CHALLENGE: &str = "Basic realm=\"GitHub\"";

struct Caller {
    kind: AuthKind,
    account: Option<Account>,
}

/// Which part of GitHub a request is for.
enum Target {
    Api(String),
    Git(GitPath),
    DeviceCode,
    AccessToken,
    Other,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let authority = authority(&head);
    let host = authority
        .as_ref()
        .map(|authority| authority.host().to_ascii_lowercase())
        .unwrap_or_default();
    let (kind, token) = credential(&head.headers);
    let caller = Caller {
        kind,
        account: token.and_then(|token| shared.account_of_token(&token)),
    };
    let web_url = web_url(authority.as_ref(), &host);
    let response = match target(&head, &host) {
        Target::Api(path) => api(&shared, &caller, &web_url, &head, &path, body).await,
        Target::Git(git) => self::git(&shared, &caller, &git, &head, body).await,
        Target::DeviceCode => Json(shared.device.start(&web_url)).into_response(),
        Target::AccessToken => access_token(&shared, body).await,
        Target::Other => StatusCode::NOT_FOUND.into_response(),
    };
    shared.log.push(1, |number| GitHubRequest {
        number,
        at: SystemTime::now(),
        host,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        auth: caller.kind,
        login: caller.account.map(|account| account.login),
        status: response.status().as_u16(),
    });
    response
}

fn authority(head: &Parts) -> Option<Authority> {
    let host = head
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse().ok())
        .or_else(|| head.uri.authority().cloned())
}

fn web_url(authority: Option<&Authority>, host: &str) -> String {
    match authority {
        Some(authority) if host != API_HOST => format!("https://{authority}"),
        _ => "https://github.com".to_owned(),
    }
}

fn target(head: &Parts, host: &str) -> Target {
    let path = head.uri.path();
    if host == API_HOST {
        return Target::Api(path.to_owned());
    }
    if path == "/api/graphql" {
        return Target::Api("/graphql".to_owned());
    }
    if let Some(rest) = path.strip_prefix("/api/v3") {
        return Target::Api(rest.to_owned());
    }
    match (&head.method, path) {
        (&Method::POST, "/login/device/code") => Target::DeviceCode,
        (&Method::POST, "/login/oauth/access_token") => Target::AccessToken,
        (method, path) => {
            GitPath::parse(method, path, head.uri.query()).map_or(Target::Other, Target::Git)
        }
    }
}

async fn api(
    shared: &Shared,
    caller: &Caller,
    web_url: &str,
    head: &Parts,
    path: &str,
    body: Body,
) -> Response {
    if let Some(GitHubFault::ApiStatus(status)) = shared.fault() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return api_answer(
            status,
            &json!({"message": status.canonical_reason().unwrap_or("Error")}),
        );
    }
    match shared.fault() {
        Some(GitHubFault::RateLimited(limit)) => return limits::refusal(limit, path == "/graphql"),
        Some(GitHubFault::Slow(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let Some(account) = &caller.account else {
        let (message, url) = match caller.kind {
            AuthKind::None => ("Requires authentication", "https://docs.github.com/rest"),
            _ => ("Bad credentials", "https://docs.github.com/rest"),
        };
        return api_answer(
            StatusCode::UNAUTHORIZED,
            &json!({"message": message, "documentation_url": url}),
        );
    };
    let (status, value) = if path == "/graphql" && head.method == Method::POST {
        match axum::body::to_bytes(body, MAX_API_BODY)
            .await
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok())
        {
            Some(body) => (
                StatusCode::OK,
                graphql::answer(shared, account, web_url, &body).await,
            ),
            None => (
                StatusCode::BAD_REQUEST,
                json!({"message": "Problems parsing JSON"}),
            ),
        }
    } else {
        let query = head.uri.query().unwrap_or_default();
        rest::answer(shared, account, web_url, &head.method, path, query).await
    };
    api_answer(status, &value)
}

fn api_answer(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE.as_str(),
            "application/json; charset=utf-8",
        ),
        (
            "x-oauth-scopes",
            if status == StatusCode::UNAUTHORIZED {
                ""
            } else {
                SCOPES
            },
        ),
        ("x-github-media-type", "github.v3; format=json"),
    ];
    (status, headers, value.to_string()).into_response()
}

async fn git(
    shared: &Shared,
    caller: &Caller,
    git: &GitPath,
    head: &Parts,
    body: Body,
) -> Response {
    let fault = shared.fault();
    if let Some(GitHubFault::GitStatus(status)) = fault {
        return StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
    }
    let account = caller
        .account
        .as_ref()
        .filter(|_| fault != Some(GitHubFault::GitRejectsLogin));
    let Some(account) = account else {
        let headers = [(header::WWW_AUTHENTICATE, BASIC_CHALLENGE)];
        return (
            StatusCode::UNAUTHORIZED,
            headers,
            "Invalid username or token.\n",
        )
            .into_response();
    };
    if shared.repositories.find(&git.owner, &git.name).is_none() {
        return (StatusCode::NOT_FOUND, "Repository not found.\n").into_response();
    }
    let (exec_path, root) = (&shared.git_exec_path, shared.repositories.root());
    match git_http::serve(
        exec_path,
        root,
        git,
        &account.login,
        head,
        body,
        shared.git_timeout,
    )
    .await
    {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%error, "git http-backend failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn access_token(shared: &Shared, body: Body) -> Response {
    let form = axum::body::to_bytes(body, MAX_API_BODY).await.ok();
    let poll = match form.as_deref().and_then(device_code) {
        Some(code) => shared.device.poll(&code),
        None => Poll::Expired,
    };
    let account = match &poll {
        Poll::Approved(login) => shared.account_of_login(login),
        Poll::Pending | Poll::Expired => None,
    };
    let no_store = HeaderMap::from_iter([(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    )]);
    (
        no_store,
        Json(token_answer(
            &poll,
            account.as_ref().map(|account| account.token.as_str()),
        )),
    )
        .into_response()
}

fn device_code(form: &[u8]) -> Option<String> {
    let uri: Uri = format!("/?{}", std::str::from_utf8(form).ok()?)
        .parse()
        .ok()?;
    let Query(mut fields) = Query::<HashMap<String, String>>::try_from_uri(&uri).ok()?;
    fields.remove("device_code")
}
