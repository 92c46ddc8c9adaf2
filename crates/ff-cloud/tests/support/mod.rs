//! A server in this process, over machines in this process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod away;
#[macro_use]
pub mod backend;
pub mod engine;
pub mod host;
pub mod moving;
pub mod postgres;
pub mod program;
pub mod relayed;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use clap::Parser;
use ff_cloud::App;
use ff_cloud::config::{Cli, Command, Config};
use ff_cloud::lifecycle::Lifecycle;
use ff_protocol::vm::Vm;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use self::backend::{Backend, Store};
use ff_cloud::compute::sim::SimProvider;

/// A server with its data directory, over a provider that the test holds too.
pub struct Server<P = SimProvider> {
    pub app: App,
    pub provider: Arc<P>,
    pub dir: Arc<tempfile::TempDir>,
    pub store: Store,
    pub args: Vec<String>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn vm(&self) -> Vm {
        serde_json::from_value(self.body.clone()).unwrap()
    }
}

pub fn config(dir: &std::path::Path, args: &[&str]) -> Config {
    let dir = dir.to_str().unwrap();
    let args = ["ff-cloud", "serve", "--dev", "--data-dir", dir]
        .into_iter()
        .chain(args.iter().copied());
    match Cli::try_parse_from(args).unwrap().command {
        Command::Serve(config) => *config,
        Command::Doctor(_) => panic!("not asked for"),
    }
}

impl Server<SimProvider> {
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, &[]).await
    }

    /// A server with these arguments.
    pub async fn with(backend: Backend, args: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let store = backend.store().await;
        Self::on(dir, store, Arc::new(SimProvider::new()), args).await
    }

    pub async fn on(
        dir: Arc<tempfile::TempDir>,
        store: Store,
        provider: Arc<SimProvider>,
        args: Vec<String>,
    ) -> Self {
        let given = provider.clone();
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut config = config(dir.path(), &words);
        store.enter(&mut config);
        let app = App::open(config, Lifecycle::new(), |_, _| Ok(given))
            .await
            .unwrap();
        Self {
            app,
            provider,
            dir,
            store,
            args,
        }
    }

    /// Ends the server at once, as a crash would, and starts another on its data.
    pub async fn crash(self) -> Self {
        let Self {
            app,
            provider,
            dir,
            store,
            args,
        } = self;
        app.lifecycle.hard.cancel();
        app.lifecycle.finish().await;
        drop(app);
        Self::on(dir, store, provider, args).await
    }
}

impl<P> Server<P> {
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let router = ff_cloud::http::router(self.app.clone());
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, None)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, None)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, Some(body))).await
    }

    pub async fn create_vm(&self, user: &str) -> Answer {
        self.post("/api/vms", json!({ "userId": user })).await
    }

    /// Asks for the VM until it is in this state.
    pub async fn until_state(&self, id: &str, state: &str) -> Answer {
        let wait = async {
            loop {
                let answer = self.get(&format!("/api/vms/{id}")).await;
                if answer.body["state"] == state {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .unwrap_or_else(|_| panic!("VM {id} never became {state}"))
    }
}

/// A request as a program on this machine would send it.
pub fn request(method: Method, path: &str, body: Option<Value>) -> Request<Body> {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:3000");
    match body {
        Some(body) => builder
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
        None => builder.body(Body::empty()).unwrap(),
    }
}

/// A cause that an agent may report.
pub fn turn(name: &str) -> ff_protocol::agent::Cause {
    ff_protocol::agent::Cause {
        kind: ff_protocol::agent::CauseKind::Turn,
        name: name.to_owned(),
        since: ff_cloud::clock::now(),
    }
}

/// Waits until something holds.
pub async fn eventually(holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("waited in vain");
}
