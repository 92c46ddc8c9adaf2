//! REST calls against a small server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, put};
use ff_client::raw::RawRequest;
use ff_client::{AgentClient, Auth, ByteStream, ClientError, CloudClient, Secret, proof};
use ff_protocol::agent::{DEADLINE_HEADER, Hello, REPORTS_PATH};
use ff_protocol::session::Configure;
use ff_protocol::{ErrorCode, HandoffId, PROTOCOL_GENERATION, Problem, VmId};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Notify;

use common::Server;

#[tokio::test]
async fn a_refusal_comes_as_its_problem_with_code_and_hint() {
    let router = Router::new().route(
        "/api/vms",
        get(|| async {
            let problem = Problem::new(ErrorCode::Suspended, "it sleeps").with_hint("wake it");
            let kind = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
            (
                StatusCode::CONFLICT,
                kind,
                serde_json::to_vec(&problem).unwrap(),
            )
        })
        .post(|| async { (StatusCode::BAD_GATEWAY, "<html>") }),
    );
    let server = Server::start(router).await;
    let error = server.client().vms().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Suspended));
    assert_eq!(error.to_string(), "it sleeps (wake it)");
    assert!(!error.is_transient());

    let error = server.client().create_vm(None).await.unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Unexpected {
                status: Some(502),
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn nobody_listening_is_told_from_other_failures() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = CloudClient::new(&url, Auth::None)
        .unwrap()
        .healthz()
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
}

#[test]
fn addresses_we_cannot_use_are_refused_at_once() {
    for url in [
        "",
        "localhost:3000",
        "https://host",
        "http://u:p@host",
        "http://h/?a=b",
    ] {
        let refused = CloudClient::new(url, Auth::None);
        assert!(matches!(refused, Err(ClientError::Address { .. })), "{url}");
    }
    let client = CloudClient::new("http://localhost:3000/", Auth::None).unwrap();
    assert_eq!(client.base_url(), "http://localhost:3000");
}

#[tokio::test]
async fn credentials_are_shown_as_the_server_wants_them() {
    let router = Router::new().route(
        "/healthz",
        get(|headers: HeaderMap| async move {
            match (headers.get("x-ff-user"), headers.get("authorization")) {
                (Some(user), None) if user == "test-user" => StatusCode::OK,
                (None, Some(token)) if token == "Bearer abc" => StatusCode::OK,
                _ => StatusCode::UNAUTHORIZED,
            }
        }),
    );
    let server = Server::start(router).await;
    server.client().healthz().await.unwrap();
    let bearer = Auth::Bearer(Secret::new("abc"));
    assert!(!format!("{bearer:?}").contains("abc"));
    let client = CloudClient::new(&server.url, bearer).unwrap();
    client.healthz().await.unwrap();
    let nobody = CloudClient::new(&server.url, Auth::None).unwrap();
    assert!(nobody.healthz().await.is_err());
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let router = Router::new().route(
        "/api/workspaces/{w}/sessions",
        get(|Query(query): Query<Vec<(String, String)>>| async move {
            let after = query.iter().find(|(name, _)| name == "after");
            assert!(query.contains(&("wake".into(), "true".into())));
            let next = match after.map(|(_, value)| value.as_str()) {
                None => json!("a b&c"),
                Some("a b&c") => Value::Null,
                Some(other) => panic!("{other}"),
            };
            Json(json!({"items": [], "next": next}))
        }),
    );
    let server = Server::start(router).await;
    let engine = server.client().engine().waking();
    assert_eq!(engine.sessions(&"w".parse().unwrap()).await.unwrap(), []);
}

const LARGE: usize = 5 << 20;

fn large() -> Vec<u8> {
    (0..LARGE).map(|i| (i * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn parts_are_streamed_whole_both_ways() {
    let router = Router::new()
        .route(
            "/api/handoffs/{h}/parts/{sha}",
            put(|headers: HeaderMap, Path((_, sha)): Path<(String, String)>, body: Bytes| async move {
                assert_eq!(sha, "00ff");
                assert_eq!(headers[header::CONTENT_LENGTH], LARGE.to_string());
                assert!(body == large());
                StatusCode::NO_CONTENT
            })
            .get(|| async { large() }),
        )
        .layer(axum::extract::DefaultBodyLimit::disable());
    let server = Server::start(router).await;
    let (client, id) = (server.client(), HandoffId::generate());
    let chunks: Vec<_> = large()
        .chunks(70_000)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    let body = Box::pin(stream::iter(chunks));
    client
        .put_part(&id, "00ff", (0, LARGE as u64), body)
        .await
        .unwrap();

    let mut part = client.get_part(&id, "00ff", 0).await.unwrap();
    let mut got = Vec::new();
    while let Some(chunk) = part.next().await {
        got.extend_from_slice(&chunk.unwrap());
    }
    assert!(got == large());
}

#[tokio::test]
async fn a_cut_download_and_a_failing_upload_are_errors() {
    let cut = Arc::new(Notify::new());
    let cutting = cut.clone();
    let router = Router::new().route(
        "/api/handoffs/{h}/parts/{sha}",
        get(|| async move {
            let half = stream::once(async { Ok(Bytes::from_static(b"half")) });
            let end = stream::once(async move {
                cutting.notified().await;
                Err("gone")
            });
            let body = Body::from_stream(half.chain(end));
            ([(header::CONTENT_LENGTH, "100")], body).into_response()
        })
        .put(|_body: Bytes| async { StatusCode::NO_CONTENT }),
    );
    let server = Server::start(router).await;
    let (client, id) = (server.client(), HandoffId::generate());
    let mut part = client.get_part(&id, "00", 0).await.unwrap();
    assert_eq!(part.next().await.unwrap().unwrap(), "half");
    cut.notify_one();
    assert!(part.next().await.unwrap().is_err());
    assert!(part.next().await.is_none());

    let pieces = [Ok(Bytes::from_static(b"half")), Err("no such file".into())];
    let body = Box::pin(stream::iter(pieces));
    let sent = client.put_part(&id, "00", (0, 8), body).await;
    assert!(matches!(sent, Err(ClientError::Broken { .. })), "{sent:?}");
}

#[tokio::test]
async fn an_agent_has_to_prove_itself_before_it_sees_the_token() {
    let vm: VmId = "vm-1".parse().unwrap();
    let answering =
        |vm: VmId, token: &'static str| {
            Router::new().route(
            "/agent/hello",
            get(move |Query(query): Query<Vec<(String, String)>>, headers: HeaderMap| async move {
                assert!(headers.get(header::AUTHORIZATION).is_none());
                Json(Hello {
                    proof: proof::proof(&Secret::new(token), &vm, &query[0].1),
                    vm_id: vm,
                    generation: PROTOCOL_GENERATION,
                    version: "0".into(),
                })
            }),
        )
        };
    for (other, token, proves) in [
        (vm.clone(), "right", true),
        (vm.clone(), "wrong", false),
        (VmId::generate(), "right", false),
    ] {
        let server = Server::start(answering(other, token)).await;
        let agent = AgentClient::new(vm.clone(), &server.url, Secret::new("right")).unwrap();
        let hello = agent.hello("00ff").await;
        assert_eq!(hello.is_ok(), proves, "{hello:?}");
    }
}

#[tokio::test]
async fn an_agent_is_told_until_when_a_call_counts_and_a_server_is_not() {
    async fn echo(headers: HeaderMap) -> (StatusCode, Json<Value>) {
        let told = headers.get_all(DEADLINE_HEADER);
        let told: Vec<u64> = told
            .iter()
            .map(|value| value.to_str().unwrap().parse().unwrap())
            .collect();
        (StatusCode::CONFLICT, Json(told.into()))
    }
    let server = Server::start(Router::new().fallback(echo)).await;
    let agent = AgentClient::new(VmId::generate(), &server.url, Secret::new("t")).unwrap();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let forwarded = async |body: Option<ByteStream>| {
        let mut headers = HeaderMap::new();
        // Of whoever calls; it is ours to say.
        headers.insert(DEADLINE_HEADER, 7.into());
        let answer = agent.forward(RawRequest {
            method: axum::http::Method::POST,
            path_and_query: "/api/x".into(),
            headers,
            body,
            deadline: Duration::from_secs(100),
        });
        let mut answer = answer.await.unwrap();
        let body = answer.body.next().await.unwrap().unwrap();
        serde_json::from_slice::<Vec<u64>>(&body).unwrap()
    };
    let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from_static(b"x"))]));
    for body in [None, Some(body)] {
        let before = now();
        let told = forwarded(body).await;
        let expected = before + 100_000..=now() + 100_000;
        assert_eq!(told.len(), 1);
        assert!(expected.contains(&told[0].into()), "{told:?}");
    }

    let shown = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = shown.clone();
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        note.lock()
            .unwrap()
            .push(headers.contains_key(DEADLINE_HEADER));
        StatusCode::NO_CONTENT
    });
    let server = Server::start(router).await;
    let agent = AgentClient::new(VmId::generate(), &server.url, Secret::new("t")).unwrap();
    agent.release("q1", Duration::from_secs(5)).await.unwrap();
    server.client().healthz().await.unwrap();
    assert_eq!(*shown.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn reports_go_on_until_the_agent_ends_them() {
    let health = json!({
        "vmId": "vm-1", "working": [], "lastActiveAt": "2026-01-01T00:00:00Z", "uptimeSeconds": 1
    });
    let line = format!("{health}\n");
    let router = Router::new().route(
        REPORTS_PATH,
        get(async move || {
            let (half, rest) = line.split_at(20);
            let pieces = [half.to_owned(), rest.to_owned() + &line];
            Body::from_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)))
        }),
    );
    let server = Server::start(router).await;
    let agent = AgentClient::new(VmId::generate(), &server.url, Secret::new("t")).unwrap();
    let reports: Vec<_> = agent.reports().await.unwrap().collect().await;
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!(report.unwrap().vm_id.as_str(), "vm-1");
    }
}

#[tokio::test]
async fn a_session_is_changed_and_asked_by_its_paths() {
    async fn echo(request: axum::extract::Request) -> Json<Value> {
        let line = format!("{} {}", request.method(), request.uri());
        let body = axum::body::to_bytes(request.into_body(), 1 << 16);
        let body = String::from_utf8(body.await.unwrap().to_vec()).unwrap();
        Json(match line.split('/').next_back().unwrap() {
            rest if rest.starts_with("messages") || rest.starts_with("requests") => {
                json!({"items": [], "next": line.contains("messages").then_some(line)})
            }
            rest if rest.starts_with("capabilities") => json!({"cliVersion": line}),
            _ => json!({"id": "s", "workspaceId": "w", "workflow": "followup",
                "permissions": "STRICT", "status": "IDLE", "activity": "idle",
                "providerSessionId": format!("{line} {body}"),
                "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}),
        })
    }
    let server = Server::start(Router::new().fallback(echo)).await;
    let client = server.client();
    let engine = client.engine();
    let (w, s) = ("w".parse().unwrap(), "s".parse().unwrap());
    let change = Configure {
        model: Some("m".into()),
        ..Configure::default()
    };
    let changed = engine.configure(&w, &s, &change).await.unwrap();
    let base = "/api/workspaces/w/sessions/s";
    let line = format!(r#"PATCH {base} {{"model":"m"}}"#);
    assert_eq!(changed.provider_session_id, line);
    let resumed = engine.resume(&w, &s).await.unwrap();
    assert_eq!(resumed.provider_session_id, format!("POST {base}/resume "));
    let closed = engine.close_session(&w, &s).await.unwrap();
    let line = format!("POST {base}/close ");
    assert_eq!(closed.session.provider_session_id, line);
    assert!(closed.taken_back.is_empty());
    let page = engine.messages(&w, &s, 7, 20).await.unwrap();
    let line = format!("GET {base}/messages?after=7&limit=20");
    assert_eq!(page.next, Some(line));
    let offered = engine.waking().capabilities(&w, &s).await.unwrap();
    let line = format!("GET {base}/capabilities?wake=true");
    assert_eq!(offered.cli_version, Some(line));
    assert!(engine.requests(&w, &s).await.unwrap().is_empty());
}
