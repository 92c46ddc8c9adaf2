//! The HTTP API: what comes in wrong, who asks, and what comes out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use ff_protocol::VmId;
use rstest::rstest;
use serde_json::json;
use support::backend::Backend::{self, Postgres, Sqlite};
use support::{Server, request};

const PROBLEM: &str = "application/problem+json";

#[rstest]
#[case(Method::GET, "/api/vms/no-such-vm")]
#[case(Method::DELETE, "/api/vms/no-such-vm")]
#[case(Method::GET, "/api/vms/no-such-vm/onboarding")]
#[case(Method::GET, "/api/nothing")]
#[case(Method::GET, "/")]
#[tokio::test]
async fn unknown_things_are_404(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] method: Method,
    #[case] path: &str,
) {
    let server = Server::new(backend).await;
    let answer = server.send(request(method, path, None)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.headers[header::CONTENT_TYPE], PROBLEM);
    assert_eq!(answer.code(), "not_found");
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(answer.body["requestId"], id);
}

#[rstest]
#[case("{", 400, "bad_request")]
#[case("", 400, "bad_request")]
#[case(r#"{"userId": 7}"#, 422, "invalid")]
#[case(r#"{"userId": "UPPER"}"#, 422, "invalid")]
#[case(r#"{"userId": "../../etc"}"#, 422, "invalid")]
#[case(r#"{"userId": "a", "image": "evil"}"#, 422, "invalid")]
#[case("[1]", 422, "invalid")]
#[case("{}", 409, "ambiguous_user")]
#[tokio::test]
async fn a_wrong_body_is_a_clear_problem(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] body: &'static str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let server = Server::new(backend).await;
    let mut wrong = request(Method::POST, "/api/vms", Some(json!({})));
    *wrong.body_mut() = Body::from(body);
    let answer = server.send(wrong).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    assert_eq!(answer.headers[header::CONTENT_TYPE], PROBLEM);
    assert_eq!(server.provider.created.load(SeqCst), 0);
}

async fn a_body_too_large_or_not_declared_is_refused(backend: Backend) {
    let server = Server::new(backend).await;
    let mut large = request(Method::POST, "/api/vms", Some(json!({})));
    *large.body_mut() = Body::from(format!("{{\"userId\": \"{}\"}}", "x".repeat(2 << 20)));
    assert_eq!(server.send(large).await.code(), "too_large");
    let mut plain = request(Method::POST, "/api/vms", Some(json!({ "userId": "u" })));
    plain.headers_mut().remove(header::CONTENT_TYPE);
    let answer = server.send(plain).await;
    assert_eq!(answer.code(), "bad_request");
    assert!(
        answer.body["hint"]
            .as_str()
            .unwrap()
            .contains("content-type")
    );
}

#[rstest]
#[case("/api/vms/UPPER", "UPPER")]
#[case("/api/vms/a%2Fb", "a/b")]
#[case("/api/vms?after=no%20id", "no id")]
#[case("/api/vms?userId=A", "A")]
#[tokio::test]
async fn an_id_that_breaks_the_rule_is_400(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] path: &str,
    #[case] quoted: &str,
) {
    let server = Server::new(backend).await;
    let answer = server.get(path).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "bad_request")
    );
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("`{quoted}`")), "{detail}");
}

async fn a_wrong_method_is_405(backend: Backend) {
    let server = Server::new(backend).await;
    for (method, path) in [
        (Method::PUT, "/api/vms"),
        (Method::POST, "/api/vms/some-id"),
    ] {
        let answer = server.send(request(method, path, None)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (405, "method_not_allowed")
        );
        assert_eq!(answer.headers[header::CONTENT_TYPE], PROBLEM);
    }
}

#[rstest]
#[case("evil.test", None, 403)]
#[case("localhost.evil.test:3000", None, 403)]
#[case("localhost:3000", Some("http://evil.test"), 403)]
#[case("localhost:3000", Some("null"), 403)]
#[case("localhost:3000", Some("http://localhost:5173"), 200)]
#[case("127.0.0.1", None, 200)]
#[case("[::1]:3000", Some("http://[::1]:3000"), 200)]
#[tokio::test]
async fn foreign_pages_are_refused(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] host: &str,
    #[case] origin: Option<&str>,
    #[case] status: u16,
) {
    let server = Server::new(backend).await;
    let mut builder = Request::get("/api/vms").header(header::HOST, host);
    if let Some(origin) = origin {
        builder = builder.header(header::ORIGIN, origin);
    }
    let answer = server.send(builder.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), status);
    if status == 403 {
        assert_eq!(answer.code(), "foreign_origin");
    }
}

#[rstest]
#[case("my-request:1", true)]
#[case("with space", false)]
#[case("", false)]
#[tokio::test]
async fn a_sane_request_id_is_kept(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] given: &str,
    #[case] kept: bool,
) {
    let server = Server::new(backend).await;
    let mut asked = request(Method::GET, "/api/vms/none", None);
    asked
        .headers_mut()
        .insert("x-request-id", given.parse().unwrap());
    let answer = server.send(asked).await;
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(id == given, kept, "{id}");
    assert_eq!(answer.body["requestId"], id);
}

async fn the_user_comes_from_body_query_or_header_and_all_must_agree(backend: Backend) {
    let server = Server::new(backend).await;
    let by_body = server.create_vm("test-user").await;
    assert_eq!(by_body.status, StatusCode::CREATED);
    let vm = by_body.vm();
    assert_eq!(vm.user_id.as_str(), "test-user");

    let by_query = server.post("/api/vms?userId=test-user", json!({})).await;
    assert_eq!(by_query.status, StatusCode::OK);
    assert_eq!(by_query.vm().id, vm.id);

    let mut by_header = request(Method::POST, "/api/vms", Some(json!({})));
    by_header
        .headers_mut()
        .insert("x-ff-user", "test-user".parse().unwrap());
    assert_eq!(server.send(by_header).await.vm().id, vm.id);

    let two = server
        .post("/api/vms?userId=other", json!({ "userId": "test-user" }))
        .await;
    assert_eq!((two.status.as_u16(), two.code()), (409, "ambiguous_user"));
}

async fn someone_elses_vm_is_not_found_and_lists_are_by_user(backend: Backend) {
    let server = Server::new(backend).await;
    let mine = server.create_vm("me").await.vm();
    let theirs = server.create_vm("them").await.vm();
    let path = format!("/api/vms/{}", mine.id);
    for path in [path.clone(), format!("{path}?userId=me")] {
        let shown = server.get(&path).await.vm();
        assert_eq!((&shown.id, &shown.user_id), (&mine.id, &mine.user_id));
    }
    for answer in [
        server.get(&format!("{path}?userId=them")).await,
        server.delete(&format!("{path}?userId=them")).await,
        server.get(&format!("{path}/onboarding?userId=them")).await,
    ] {
        assert_eq!(answer.code(), "not_found");
    }
    let ids = async |path: &str| -> Vec<String> {
        let items = server.get(path).await.body["items"].clone();
        let ids = items.as_array().unwrap().iter();
        ids.map(|vm| vm["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (mine, theirs) = (mine.id.to_string(), theirs.id.to_string());
    assert_eq!(ids("/api/vms").await, [mine.clone(), theirs.clone()]);
    assert_eq!(ids("/api/vms?userId=me").await, std::slice::from_ref(&mine));
    assert_eq!(ids(&format!("/api/vms?after={mine}")).await, [theirs]);
    assert!(ids("/api/vms?userId=nobody").await.is_empty());
}

async fn fifty_posts_at_once_make_one_vm_and_get_equal_answers(backend: Backend) {
    let server = Server::new(backend).await;
    let posts = (0..50).map(|_| server.create_vm("test-user"));
    let answers = futures_util::future::join_all(posts).await;
    let made = answers.iter().filter(|a| a.status == StatusCode::CREATED);
    assert_eq!(made.count(), 1);
    for answer in &answers {
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(answer.vm(), answers[0].vm());
    }
    assert_eq!(answers[0].body["state"], "RUNNING");
    assert_eq!(server.provider.created.load(SeqCst), 1);
    assert_eq!(server.provider.started.load(SeqCst), 1);
}

async fn without_the_engine_it_is_503_with_the_reason_and_the_server_lives_on(backend: Backend) {
    let server = Server::new(backend).await;
    server.provider.down.store(true, SeqCst);
    let refused = server.create_vm("test-user").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "compute_unavailable");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("the socket is not there"), "{detail}");
    assert!(refused.body["hint"].is_string());

    let health = server.get("/healthz").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.body["compute"], "unavailable");
    assert_eq!(server.get("/api/vms").await.body["items"], json!([]));

    server.provider.down.store(false, SeqCst);
    assert_eq!(
        server.create_vm("test-user").await.status,
        StatusCode::CREATED
    );
    assert_eq!(server.get("/healthz").await.body["compute"], "ok");
}

async fn onboarding_comes_from_the_agent(backend: Backend) {
    let server = Server::new(backend).await;
    let vm: VmId = server.create_vm("test-user").await.vm().id;
    let answer = server.get(&format!("/api/vms/{vm}/onboarding")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["github"]["loggedIn"], false);
    assert_eq!(answer.body["nextStep"], "log in");
}

both_dbs! {
    a_body_too_large_or_not_declared_is_refused
    a_wrong_method_is_405
    the_user_comes_from_body_query_or_header_and_all_must_agree
    someone_elses_vm_is_not_found_and_lists_are_by_user
    fifty_posts_at_once_make_one_vm_and_get_equal_answers
    without_the_engine_it_is_503_with_the_reason_and_the_server_lives_on
    onboarding_comes_from_the_agent
}
