//! A small HTTP client for the container engine's socket and for calls of ours that the typed
//! client does not have. Connections are kept, as any client at its best would.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use axum::body::{Body, to_bytes};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::task::AbortOnDropHandle;

/// Deadline of a call.
const DEADLINE: Duration = Duration::from_secs(180);
/// Largest answer, in bytes.
const MOST: usize = 16 << 20;

/// Where the other side listens.
#[derive(Debug, Clone)]
pub enum Peer {
    /// On a socket in the file system.
    Unix(PathBuf),
    /// On a port.
    Tcp(SocketAddr),
}

/// A peer, and the connections to it that nobody uses now.
#[derive(Debug)]
pub struct Http {
    peer: Peer,
    host: String,
    headers: Vec<(&'static str, String)>,
    idle: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Body>,
    _task: AbortOnDropHandle<()>,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body; null when that is no JSON.
    pub body: Value,
}

impl Answer {
    /// The body, if the status says success.
    ///
    /// # Errors
    /// It does not; the message has the status and what the other side said.
    pub fn ok(self, what: &str) -> Result<Value> {
        let said = ["message", "detail"].map(|key| self.body[key].as_str().unwrap_or_default());
        ensure!(
            self.status.is_success(),
            "cannot {what}: {} {}",
            self.status,
            said.concat()
        );
        Ok(self.body)
    }
}

impl Http {
    /// A client of this peer. Connects to nothing yet.
    pub fn new(peer: Peer) -> Self {
        Self {
            peer,
            host: "localhost".to_owned(),
            headers: Vec::new(),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Speaks as this user of a server in development mode.
    pub fn of_user(self, user: &str) -> Self {
        self.with("x-ff-user", user)
    }

    /// Names the peer by its address: some answer to nothing else.
    pub fn by_address(mut self) -> Self {
        if let Peer::Tcp(address) = &self.peer {
            self.host = address.to_string();
        }
        self
    }

    /// Says this in a header of each call.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Makes a call and reads its answer, whatever the status.
    ///
    /// # Errors
    /// The other side cannot be reached, or does not answer in time.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let what = format!("{method} {path}");
        let exchange = self.exchange(method, path, body);
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(answer) => answer.with_context(|| format!("{what} failed")),
            Err(_) => Err(anyhow!("{what}: no answer in {} s", DEADLINE.as_secs())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))?,
            None => request.body(Body::empty())?,
        };
        let mut connection = self.connection().await?;
        let response = connection.sender.send_request(request).await?;
        let status = response.status();
        let bytes = to_bytes(Body::new(response.into_body()), MOST).await?;
        self.idle().push(connection);
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, body })
    }

    async fn connection(&self) -> Result<Connection> {
        loop {
            let kept = self.idle().pop();
            let Some(mut kept) = kept else { break };
            if kept.sender.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        match &self.peer {
            Peer::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .with_context(|| format!("nothing answers at {}", path.display()))?;
                open(stream).await
            }
            Peer::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                open(stream).await
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // How a connection ends shows at the call that uses it.
    let task = tokio::spawn(async { drop(connection.await) });
    Ok(Connection {
        sender,
        _task: AbortOnDropHandle::new(task),
    })
}
