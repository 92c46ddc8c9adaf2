//! Sessions of a workspace in a VM, with the real CLI and a Messages API that is played.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::session::{Activity, EntryKind, Session, SessionDetail};
use ff_protocol::socket::WorkspaceFrame;
use ff_protocol::{ClientId, SessionId};
use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Bench;
use super::http::{Http, Peer};
use crate::journey::{self, World};

const DEADLINE: Duration = Duration::from_secs(120);

/// A workspace that was sent to a VM.
pub(super) struct Workspace {
    pub(super) world: World,
    http: Http,
    path: String,
}

/// The workspace's socket.
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Workspace {
    pub(super) async fn new(bench: &Bench) -> Result<Self> {
        let options = journey::Options {
            programs: bench.settings.programs.clone(),
            image: bench.settings.image.clone(),
            keep: false,
            cut: None,
            settings: Vec::new(),
        };
        let world = journey::up_to(options, "send").await?;
        let url = world.url()?;
        let address = url.trim_start_matches("http://").parse()?;
        let http = Http::new(Peer::Tcp(address)).of_user(world.user()?.as_str());
        let path = format!("/api/workspaces/{}", world.workspace()?);
        Ok(Self { world, http, path })
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("{}{path}", self.path);
        let answer = self.http.call(method, &path, body).await?;
        answer.ok(&path)
    }

    pub(super) async fn start(&self, prompt: Option<&str>) -> Result<Session> {
        let body = json!({ "prompt": prompt });
        let made = self.call(Method::POST, "/sessions", Some(&body)).await?;
        Ok(serde_json::from_value(made)?)
    }

    /// Ends the session's CLI, as it ends by itself when nothing was said for long.
    pub(super) async fn stop(&self, session: &SessionId) -> Result<()> {
        let path = format!("/sessions/{session}/stop");
        self.call(Method::POST, &path, None).await.map(drop)
    }

    /// Reads a session with all its messages; returns how many.
    pub(super) async fn load(&self, session: &SessionId) -> Result<usize> {
        let (mut count, mut after) = (0, 0);
        loop {
            let path = format!("/sessions/{session}?after={after}");
            let page = self.call(Method::GET, &path, None).await?;
            let page: SessionDetail = serde_json::from_value(page)?;
            let last = page.messages.last().map_or(after, |entry| entry.seq);
            if last <= after {
                return Ok(count);
            }
            count += page.messages.len();
            after = last;
        }
    }

    pub(super) async fn socket(&self) -> Result<Socket> {
        let url = self.world.url()?.replace("http://", "ws://");
        let url = format!("{url}{}/socket", self.path);
        let (socket, _) = connect_async_with_config(url, None, true).await?;
        Ok(Socket(socket))
    }
}

impl Socket {
    pub(super) async fn next(&mut self) -> Result<WorkspaceFrame> {
        let frame = async {
            loop {
                let message = self.0.next().await.context("the socket is over")??;
                if let Message::Text(text) = message {
                    return Ok(serde_json::from_str(&text)?);
                }
            }
        };
        tokio::time::timeout(DEADLINE, frame)
            .await
            .context("the socket is silent")?
    }

    /// Says something to the model; returns once it is written.
    pub(super) async fn say(&mut self, session: &SessionId, text: &str) -> Result<()> {
        let id = ClientId::generate();
        let frame = json!({ "type": "user_message", "id": id, "sessionId": session, "text": text });
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// Reads until the first piece of an answer.
    pub(super) async fn first_piece(&mut self) -> Result<()> {
        loop {
            match self.next().await? {
                WorkspaceFrame::Delta { .. } => return Ok(()),
                WorkspaceFrame::Rejected { problem, .. } => {
                    anyhow::bail!("it was rejected: {}", problem.detail)
                }
                frame => ensure!(!ends(&frame), "the turn ended without an answer"),
            }
        }
    }

    /// Reads until a session has ended its turn and rests.
    pub(super) async fn turn_ended(&mut self, session: &SessionId) -> Result<()> {
        let mut ended = false;
        loop {
            match self.next().await? {
                WorkspaceFrame::Status { session: now } if ended && now.id == *session => {
                    let error = now.error;
                    ensure!(error.is_none(), "the session failed: {error:?}");
                    if now.activity == Activity::Idle {
                        return Ok(());
                    }
                }
                frame => {
                    let its = frame.entry().is_some_and(|it| it.session_id == *session);
                    ended |= its && ends(&frame);
                }
            }
        }
    }
}

fn ends(frame: &WorkspaceFrame) -> bool {
    let entry = frame.entry();
    entry.is_some_and(|entry| entry.kind == EntryKind::TurnEnded)
}
