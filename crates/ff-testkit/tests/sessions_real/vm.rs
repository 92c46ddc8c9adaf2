//! A workspace in a VM, whose model does what it is told in the prompt.

use std::time::Duration;

use anyhow::ensure;
use ff_protocol::Page;
use ff_protocol::session::{Activity, EntryKind, JournalEntry, Session, SessionDetail};
use ff_protocol::socket::WorkspaceFrame;
use ff_testkit::journey::outside::look_inside;
use ff_testkit::journey::process::eventually;
use ff_testkit::journey::{World, up_to};
use ff_testkit::messages::{MessagesApi, MessagesRequest, PromptPlan, Reply, Scripted, Turn};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::stage::options;

const DEADLINE: Duration = Duration::from_secs(60);
/// A model that the API does not have.
pub(crate) const NO_MODEL: &str = "no-such-model";

/// A workspace in a VM.
pub(crate) struct Vm {
    pub(crate) world: World,
    client: reqwest::Client,
}

/// A workspace's socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

fn model(turn: &Turn) -> Reply {
    match turn.model.as_str() {
        NO_MODEL => Reply::error(404),
        _ => PromptPlan.reply(turn),
    }
}

impl Vm {
    pub(crate) async fn new() -> Self {
        let world = up_to(options(), "send").await.unwrap();
        world.messages().unwrap().set_script(model);
        let client = reqwest::Client::new();
        Self { world, client }
    }

    pub(crate) fn api(&self) -> &MessagesApi {
        self.world.messages().unwrap()
    }

    /// Looks inside the VM.
    pub(crate) async fn look(&self, command: &str) -> String {
        look_inside(self.world.container().unwrap(), command)
            .await
            .unwrap()
    }

    /// Runs a command in the checkout.
    pub(crate) async fn in_checkout(&self, command: &str) -> String {
        let workspace = self.world.workspace().unwrap();
        self.look(&format!(
            "cd ~/factory-factory/worktrees/*/workspace-{workspace} && {command}"
        ))
        .await
    }

    /// What the API was asked in a conversation, oldest first, without the CLI's side requests.
    pub(crate) fn asked(&self, conversation: &str) -> Vec<MessagesRequest> {
        let all = self.api().requests().into_iter();
        all.filter(|request| {
            request.is_message() && request.session.as_deref() == Some(conversation)
        })
        .filter(|request| {
            request.body["tools"]
                .as_array()
                .is_some_and(|tools| !tools.is_empty())
        })
        .collect()
    }

    /// Calls below the workspace's path; the answer's status must be a success.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let (url, workspace) = (self.world.url().unwrap(), self.world.workspace().unwrap());
        let what = format!("{method} {path}");
        let request = self
            .client
            .request(method, format!("{url}/api/workspaces/{workspace}{path}"));
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let said = answer.text().await.unwrap();
        assert!(status.is_success(), "{what}: {status} {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, body).await
    }

    /// Starts a session; returns it as it is then.
    pub(crate) async fn start(&self, body: Value) -> Session {
        serde_json::from_value(self.post("/sessions", body).await).unwrap()
    }

    /// All sessions of the workspace.
    pub(crate) async fn sessions(&self) -> Vec<Session> {
        let page = self.call(Method::GET, "/sessions", Value::Null).await;
        serde_json::from_value::<Page<Session>>(page).unwrap().items
    }

    pub(crate) async fn prompt(&self, session: &Session, text: &str) {
        self.post(
            &format!("/sessions/{}/messages", session.id),
            json!({ "text": text }),
        )
        .await;
    }

    pub(crate) async fn answer(&self, session: &Session, request: &Value, answer: Value) {
        let mut body = answer;
        body["requestId"] = request["requestId"].clone();
        self.post(&format!("/sessions/{}/answers", session.id), body)
            .await;
    }

    pub(crate) async fn detail(&self, session: &Session) -> SessionDetail {
        let path = format!("/sessions/{}", session.id);
        serde_json::from_value(self.call(Method::GET, &path, Value::Null).await).unwrap()
    }

    /// Waits until the session is as wanted.
    pub(crate) async fn until(
        &self,
        session: &Session,
        what: &str,
        wanted: impl Fn(&SessionDetail) -> bool,
    ) -> SessionDetail {
        let found = eventually(what, DEADLINE, async || {
            let detail = self.detail(session).await;
            let failed = detail.session.error.as_deref().filter(|_| !wanted(&detail));
            ensure!(failed.is_none(), "the session failed: {failed:?}");
            Ok(wanted(&detail).then_some(detail))
        });
        match found.await {
            Ok(detail) => detail,
            Err(error) => panic!("{error:#}: {:#?}", self.detail(session).await),
        }
    }

    /// Waits until so many turns have ended and nothing runs.
    pub(crate) async fn ended(&self, session: &Session, turns: usize) -> SessionDetail {
        self.until(session, "the turn ends", |detail| {
            entries(detail, EntryKind::TurnEnded).count() >= turns
                && detail.session.activity == Activity::Idle
        })
        .await
    }

    /// Waits for the `nth` request to the user, counted from 1.
    pub(crate) async fn request(&self, session: &Session, nth: usize) -> Value {
        let detail = self.until(session, "the CLI asks", |detail| {
            entries(detail, EntryKind::Request).count() >= nth
        });
        let detail = detail.await;
        entries(&detail, EntryKind::Request)
            .nth(nth - 1)
            .unwrap()
            .payload
            .clone()
    }

    pub(crate) async fn stop(&self, session: &Session) {
        self.post(&format!("/sessions/{}/stop", session.id), Value::Null)
            .await;
    }

    /// Opens the workspace's socket; returns after its first frame.
    pub(crate) async fn socket(&self) -> Socket {
        let url = self.world.url().unwrap().replace("http://", "ws://");
        let workspace = self.world.workspace().unwrap();
        let (socket, _) = connect_async(format!("{url}/api/workspaces/{workspace}/socket"))
            .await
            .unwrap();
        let mut socket = Socket(socket);
        assert!(matches!(
            socket.next().await,
            WorkspaceFrame::MessagesSnapshot { .. }
        ));
        socket
    }
}

impl Socket {
    /// The next frame.
    pub(crate) async fn next(&mut self) -> WorkspaceFrame {
        let frame = async {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    return serde_json::from_str(&text).unwrap();
                }
            }
        };
        tokio::time::timeout(DEADLINE, frame).await.unwrap()
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Reads up to the frame that is wanted; returns all of them.
    pub(crate) async fn until(
        &mut self,
        wanted: impl Fn(&WorkspaceFrame) -> bool,
    ) -> Vec<WorkspaceFrame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let over = wanted(&frame);
            frames.push(frame);
            if over {
                return frames;
            }
        }
    }
}

/// Whether a frame brings an entry of this kind.
pub(crate) fn brings(frame: &WorkspaceFrame, kind: EntryKind) -> bool {
    frame.entry().is_some_and(|entry| entry.kind == kind)
}

pub(crate) fn entries(
    detail: &SessionDetail,
    kind: EntryKind,
) -> impl DoubleEndedIterator<Item = &JournalEntry> {
    detail
        .messages
        .iter()
        .filter(move |entry| entry.kind == kind)
}

/// What the model said last.
pub(crate) fn last_words(detail: &SessionDetail) -> String {
    let turn = detail.session.last_turn.as_ref().unwrap();
    turn.result.clone().unwrap_or_default()
}
