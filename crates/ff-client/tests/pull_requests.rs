//! The calls on a workspace's pull request and ratchet: what goes out, and what comes back.

#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use ff_protocol::pull_request::{AttachPullRequest, SwitchRatchet};
use ff_protocol::workspace::{CiStatus, PrState};
use ff_protocol::{ErrorCode, Problem, WorkspaceId};
use serde_json::{Value, json};

use common::Server;

/// Method, path with query, and body of each request.
type Asked = Arc<Mutex<Vec<(Method, String, Value)>>>;

async fn answer(State(asked): State<Asked>, method: Method, uri: Uri, body: Bytes) -> Response {
    let sent = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).unwrap(),
    };
    let path = uri.path_and_query().unwrap().to_string();
    let refused = path.contains("none-such");
    asked.lock().unwrap().push((method, path, sent));
    if refused {
        let problem = Problem::new(ErrorCode::NotFound, "there is no workspace");
        let kind = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
        let body = serde_json::to_vec(&problem).unwrap();
        return (StatusCode::NOT_FOUND, kind, body).into_response();
    }
    Json(json!({
        "workspaceId": "w-1", "branchName": "topic", "ciObservation": "CHECKS_FAILED",
        "pr": {"number": 7, "state": "CHANGES_REQUESTED", "ciStatus": "FAILURE"},
        "ratchet": {"enabled": true}, "ratchetState": "CI_FAILED",
    }))
    .into_response()
}

#[tokio::test]
async fn each_call_asks_its_path_and_reads_the_same_status() {
    let asked = Asked::default();
    let server = Server::start(Router::new().fallback(answer).with_state(asked.clone())).await;
    let client = server.client();
    let engine = client.engine();
    let id: WorkspaceId = "w-1".parse().unwrap();
    let attach = AttachPullRequest {
        pull_request: "7".into(),
    };
    let answers = [
        engine.pull_request(&id).await.unwrap(),
        engine.clone().waking().pull_request(&id).await.unwrap(),
        engine.sync_pull_request(&id).await.unwrap(),
        engine.attach_pull_request(&id, &attach).await.unwrap(),
        engine
            .switch_ratchet(&id, SwitchRatchet { enabled: false })
            .await
            .unwrap(),
    ];
    for status in &answers {
        assert_eq!(status, &answers[0]);
    }
    let pr = &answers[0].pr;
    assert_eq!(
        (pr.number, pr.state, pr.ci_status),
        (Some(7), PrState::ChangesRequested, CiStatus::Failure)
    );
    let path = |rest: &str| format!("/api/workspaces/w-1/{rest}");
    assert_eq!(
        *asked.lock().unwrap(),
        [
            (Method::GET, path("pr"), Value::Null),
            (Method::GET, path("pr?wake=true"), Value::Null),
            (Method::POST, path("pr/sync"), Value::Null),
            (Method::POST, path("pr/attach"), json!({"pullRequest": "7"})),
            (Method::PATCH, path("ratchet"), json!({"enabled": false})),
        ]
    );
}

#[tokio::test]
async fn a_refusal_of_each_call_keeps_its_code() {
    let asked = Asked::default();
    let server = Server::start(Router::new().fallback(answer).with_state(asked.clone())).await;
    let client = server.client();
    let engine = client.engine();
    let id: WorkspaceId = "none-such".parse().unwrap();
    let attach = AttachPullRequest {
        pull_request: "7".into(),
    };
    let refusals = [
        engine.pull_request(&id).await.unwrap_err(),
        engine.sync_pull_request(&id).await.unwrap_err(),
        engine.attach_pull_request(&id, &attach).await.unwrap_err(),
        engine
            .switch_ratchet(&id, SwitchRatchet { enabled: true })
            .await
            .unwrap_err(),
    ];
    for refusal in &refusals {
        assert_eq!(refusal.code(), Some(ErrorCode::NotFound), "{refusal}");
    }
    assert_eq!(asked.lock().unwrap().len(), 4);
}
