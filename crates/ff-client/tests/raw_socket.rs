//! A WebSocket as its plain connection: what is said right behind the consent, and refusals.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ff_client::{AgentClient, ClientError, Secret};
use ff_protocol::{ErrorCode, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn agent() -> AgentClient {
    let routes = Router::new()
        .route("/socket", get(greet))
        .route("/refuses", get(refuse));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in/front", listener.local_addr().unwrap());
    let routes = Router::new().nest("/in/front", routes);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let vm = ff_protocol::VmId::generate();
    AgentClient::new(vm, &url, Secret::new("a token")).unwrap()
}

async fn greet(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    assert_eq!(headers[header::AUTHORIZATION], "Bearer a token");
    assert!(!headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
    upgrade.on_upgrade(async |mut socket| {
        socket.send(Message::text("hello")).await.unwrap();
        let said = socket.recv().await.unwrap().unwrap();
        assert_eq!(said, Message::text("ab"));
    })
}

async fn refuse() -> Response {
    let problem = Problem::new(ErrorCode::NotFound, "there is no such terminal");
    (
        StatusCode::NOT_FOUND,
        serde_json::to_string(&problem).unwrap(),
    )
        .into_response()
}

#[tokio::test]
async fn frames_come_as_they_are_from_the_first_byte_on() {
    let socket = agent()
        .await
        .dial_raw("/socket?x=1", HeaderMap::new())
        .await;
    let mut socket = socket.unwrap();
    let mut came = socket.early.to_vec();
    while came.len() < 7 {
        assert_ne!(socket.stream.read_buf(&mut came).await.unwrap(), 0);
    }
    assert_eq!(came, b"\x81\x05hello");
    socket
        .stream
        .write_all(b"\x81\x82\0\0\0\0ab")
        .await
        .unwrap();
    // The other side ends when it has heard it.
    let mut rest = Vec::new();
    let _ = socket.stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty() || rest[0] == 0x88, "{rest:?}");
}

#[tokio::test]
async fn a_refusal_is_told_as_it_was_meant() {
    let agent = agent().await;
    match agent
        .dial_raw("/refuses", HeaderMap::new())
        .await
        .unwrap_err()
    {
        ClientError::Problem(problem) => assert_eq!(problem.detail, "there is no such terminal"),
        other => panic!("{other:?}"),
    }
    let other = agent
        .dial_raw("/nothing", HeaderMap::new())
        .await
        .unwrap_err();
    assert!(
        matches!(
            other,
            ClientError::Unexpected {
                status: Some(404),
                ..
            }
        ),
        "{other:?}"
    );
}
