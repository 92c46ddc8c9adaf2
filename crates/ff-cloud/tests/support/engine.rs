//! An engine that plays its part in hand-offs, and hands its sockets to the test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use ff_client::{Auth, CloudClient};
use ff_cloud::App;
use ff_protocol::handoff::{
    CreateHandoff, Export, Finish, Manifest, Offered, Receive, Received, Restored,
};
use ff_protocol::ownership::{Claim, Claims, Reclaim, Ruling};
use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{ErrorCode, HandoffId, Problem, ProjectId};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Server;
use super::moving::{manifest, pull};

/// What the stand-in was asked and what it answers.
#[derive(Debug)]
pub struct Engine {
    /// What came, in order: `receive`, `finish true`, ...
    pub calls: Mutex<Vec<String>>,
    /// What `receive` refuses with.
    pub refusal: Mutex<Option<Problem>>,
    /// `finish` fails.
    pub deaf: AtomicBool,
    /// `restore` computes something else.
    pub corrupt: AtomicBool,
    /// Answer of `export`.
    pub manifest: Mutex<Option<Manifest>>,
    /// Pieces of parts as they arrive.
    pub pieces: mpsc::Sender<Bytes>,
    /// Answer of `offer`.
    pub offered: Mutex<Offered>,
    /// What the records in the VM say.
    pub claims: Mutex<Vec<Claim>>,
    /// `check` finds that the workspace was changed.
    pub changed: AtomicBool,
    /// Bodies of parts to be fetched.
    pub parts: Mutex<HashMap<String, Body>>,
    sockets: mpsc::Sender<(String, WebSocket)>,
}

/// What reaches the test from the stand-in.
pub struct Heard {
    pub pieces: mpsc::Receiver<Bytes>,
    pub sockets: mpsc::Receiver<(String, WebSocket)>,
}

type Shared = State<Arc<Engine>>;

impl Engine {
    /// Becomes what the provider's agents serve from their next start on.
    pub fn install(server: &Server) -> (Arc<Self>, Heard) {
        let (pieces, pieces_out) = mpsc::channel(64);
        let (sockets, sockets_out) = mpsc::channel(8);
        let engine = Arc::new(Self {
            calls: Mutex::default(),
            refusal: Mutex::default(),
            deaf: AtomicBool::default(),
            corrupt: AtomicBool::default(),
            manifest: Mutex::default(),
            offered: Mutex::default(),
            claims: Mutex::default(),
            changed: AtomicBool::default(),
            pieces,
            parts: Mutex::default(),
            sockets,
        });
        let routes = Router::new()
            .route("/api/handoffs/{h}/receive", post(receive))
            .route("/api/handoffs/{h}/export", post(export))
            .route("/api/handoffs/{h}/restore", post(restore))
            .route("/api/handoffs/{h}/offer", post(offer))
            .route("/api/handoffs/{h}/check", post(check))
            .route("/api/ownership", get(claims))
            .route("/api/workspaces/{w}/owner", put(follow))
            .route("/api/workspaces/{w}/reclaim", post(reclaim))
            .route("/api/handoffs/{h}/finish", post(finish))
            .route("/api/handoffs/{h}/parts/{sha}", put(put_part).get(get_part))
            .route("/api/workspaces/{w}/socket", get(socket))
            .route("/api/vms/{v}/terminals/{t}/socket", get(socket))
            .fallback(echo)
            .layer(DefaultBodyLimit::disable())
            .with_state(engine.clone());
        *server.provider.engine.lock().unwrap() = routes;
        let heard = Heard {
            pieces: pieces_out,
            sockets: sockets_out,
        };
        (engine, heard)
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

async fn receive(State(engine): Shared, Json(body): Json<Receive>) -> Response {
    engine.note(format!(
        "receive {} for epoch {}",
        body.plan.branch, body.epoch
    ));
    match engine.refusal.lock().unwrap().clone() {
        Some(problem) => refuse(&problem),
        None => Json(Received {
            have: vec!["c0ffee".into()],
        })
        .into_response(),
    }
}

async fn export(
    State(engine): Shared,
    Path(id): Path<HandoffId>,
    Json(body): Json<Export>,
) -> Json<Manifest> {
    engine.note(format!("export to {} at epoch {}", body.to, body.epoch));
    let told = engine.manifest.lock().unwrap().clone();
    Json(told.unwrap_or_else(|| {
        let Owner::Desktop(desktop) = &body.to else {
            panic!("a pull to {}", body.to)
        };
        let ask = pull(desktop, &body.workspace_id, body.epoch);
        manifest(&CreateHandoff { id, ..ask })
    }))
}

async fn restore(State(engine): Shared, Json(manifest): Json<Manifest>) -> Json<Restored> {
    engine.note("restore");
    let mut fingerprint = manifest.fingerprint;
    if engine.corrupt.load(SeqCst) {
        fingerprint.tree = "other".into();
    }
    Json(Restored { fingerprint })
}

async fn offer(State(engine): Shared, Json(_): Json<Manifest>) -> Json<Offered> {
    engine.note("offer");
    Json(engine.offered.lock().unwrap().clone())
}

async fn check(State(engine): Shared) -> Response {
    match engine.changed.load(SeqCst) {
        true => refuse(&Problem::new(ErrorCode::Conflict, "it changed")),
        false => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn claims(State(engine): Shared) -> Json<Claims> {
    Json(Claims {
        claims: engine.claims.lock().unwrap().clone(),
        lost: Vec::new(),
    })
}

async fn follow(State(engine): Shared, Json(ruling): Json<Ruling>) -> StatusCode {
    engine.note(format!("follow {} at epoch {}", ruling.owner, ruling.epoch));
    let mut claims = engine.claims.lock().unwrap();
    for claim in claims.iter_mut() {
        if claim.workspace_id == ruling.workspace_id {
            (claim.owner, claim.epoch) = (ruling.owner.clone(), ruling.epoch);
        }
    }
    StatusCode::NO_CONTENT
}

async fn reclaim(State(engine): Shared, Json(reclaim): Json<Reclaim>) -> Response {
    engine.note(format!("reclaim at epoch {}", reclaim.epoch));
    Json(Workspace::new(
        ProjectId::generate(),
        "reclaimed",
        reclaim.owner,
        ff_cloud::clock::now(),
    ))
    .into_response()
}

async fn finish(State(engine): Shared, Json(body): Json<Finish>) -> StatusCode {
    if engine.deaf.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    engine.note(format!("finish {}", body.committed));
    StatusCode::NO_CONTENT
}

async fn put_part(State(engine): Shared, body: Body) -> StatusCode {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        engine.pieces.send(chunk.unwrap()).await.unwrap();
    }
    StatusCode::NO_CONTENT
}

async fn get_part(State(engine): Shared, Path((_, sha)): Path<(String, String)>) -> Body {
    engine.parts.lock().unwrap().remove(&sha).unwrap()
}

async fn socket(State(engine): Shared, uri: Uri, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        let _ = engine.sockets.send((uri.to_string(), socket)).await;
    })
}

/// Tells what of a forwarded request arrives.
async fn echo(request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let token = parts.headers[header::AUTHORIZATION].to_str().unwrap();
    assert!(token.starts_with("Bearer ffa_"));
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut names: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    Json(json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "headers": names,
        "body": String::from_utf8(body.to_vec()).unwrap(),
    }))
}

fn refuse(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap();
    let kind = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
    (status, kind, serde_json::to_vec(problem).unwrap()).into_response()
}

/// The server on a port of its own; ends when dropped.
pub struct Online {
    pub url: String,
    app: App,
    pub task: JoinHandle<()>,
}

impl Online {
    pub async fn start<P>(server: &Server<P>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = server.app.clone();
        let serving = ff_cloud::serve::serve(app.clone(), listener);
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { url, app, task }
    }

    pub fn client(&self, user: &str) -> CloudClient {
        CloudClient::new(&self.url, Auth::User(user.parse().unwrap())).unwrap()
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        self.app.lifecycle.hard.cancel();
        self.task.abort();
    }
}
