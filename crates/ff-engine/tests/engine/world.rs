//! An engine that listens, with one workspace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header, request};
use ff_core::{Core, CoreConfig, Side, clock};
use ff_engine::Engine;
use ff_protocol::project::Project;
use ff_protocol::workspace::{PullRequest, Ratchet, Workspace, WorkspaceStatus};
use ff_protocol::{ProjectId, VmId, WorkspaceId};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Ends each turn with the words of its message. `wait` never ends; `slow …` writes its words and
/// ends once the file `go` is there; `flood` writes 40 MB; `ask` and `question` put something to the user. What it
/// hears is noted in the file `heard`.
const CLI: &str = r#"#!/bin/bash
here=$(dirname "$0")
field() { [[ $2 =~ \"$1\":\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"; }
say() { printf '%s\n' "$1"; }
write() { say "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"$1\"}}}"; }
finish() {
  say "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}}"
  say "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$1\",\"terminal_reason\":\"completed\",\"user_message_uuids\":[\"$uuid\"]}"
  uuid=
}
ask() { say "{\"type\":\"control_request\",\"request_id\":\"cli-$uuid\",\"request\":{\"subtype\":\"can_use_tool\",\"tool_name\":\"$1\",\"input\":$2,\"tool_use_id\":\"t1\"}}"; }
while IFS= read -r line; do
  case $line in
    *'"subtype":"interrupt"'*)
      echo interrupt >> "$here/heard"
      say "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"$(field request_id "$line")\"}}"
      [ -z "$uuid" ] || say "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"terminal_reason\":\"aborted_tools\",\"user_message_uuids\":[\"$uuid\"]}"
      uuid= ;;
    *'"type":"control_request"'*)
      say "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"$(field request_id "$line")\",\"response\":{\"commands\":[{\"name\":\"cost\"}],\"models\":[{\"value\":\"default\"}]}}}" ;;
    *'"behavior":"deny"'*) finish "denied: $(field message "$line")" ;;
    *'"behavior":"allow"'*) finish "allowed $(field Which "$line")" ;;
    *'"type":"user"'*)
      text=$(field content "$line"); uuid=$(field uuid "$line")
      printf '%.60s\n' "$text" >> "$here/heard"
      case $text in
        wait) ;;
        ask) ask Bash '{"command":"ls"}' ;;
        question) ask AskUserQuestion '{"questions":[{"question":"Which","options":[{"label":"this"}]}]}' ;;
        slow*)
          for word in ${text#slow}; do write "$word "; done
          until [ -e "$here/go" ]; do sleep 0.02; done
          finish "$text" ;;
        flood)
          piece=$(printf 'x%.0s' {1..10000})
          for n in {1..4000}; do write "$piece"; done
          finish "$text" ;;
        *) write "$text"; finish "$text" ;;
      esac ;;
  esac
done
"#;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) workspace: WorkspaceId,
    pub(crate) vm: VmId,
    router: axum::Router,
    address: std::net::SocketAddr,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        let mut config = CoreConfig::new(
            Side::Cloud,
            home.clone(),
            home.join("data"),
            home.join("base"),
        );
        config.claude = home.join("claude");
        fs::write(&config.claude, CLI).unwrap();
        fs::set_permissions(&config.claude, fs::Permissions::from_mode(0o755)).unwrap();
        let core = Core::open(config).await.unwrap();
        let workspace = insert(&core, home.join("work").to_str().unwrap()).await;
        let vm = VmId::generate();
        let router = ff_engine::router(Engine::new(core.clone(), Some(vm.clone())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = axum::serve(listener, router.clone());
        tokio::spawn(async move { serve.await.unwrap() });
        Self {
            core,
            workspace,
            vm,
            router,
            address,
            dir,
        }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    pub(crate) fn home(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn sessions(&self) -> String {
        format!("/api/workspaces/{}/sessions", self.workspace)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Request::delete(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.send(Request::post(path), body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &str) -> (u16, Value) {
        self.send(Request::patch(path), body).await
    }

    async fn send(&self, request: request::Builder, body: &str) -> (u16, Value) {
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    async fn call(&self, request: Request<Body>) -> (u16, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        (status, body)
    }

    pub(crate) async fn connect(&self, path: &str) -> Socket {
        self.try_connect(path).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, path: &str) -> Result<Socket, Error> {
        connect_async(format!("ws://{}{path}", self.address))
            .await
            .map(|(socket, _)| socket)
    }

    /// Starts a session and waits until its turn has ended.
    pub(crate) async fn finished_session(&self, prompt: &str) -> String {
        let body = serde_json::json!({ "prompt": prompt }).to_string();
        let (status, session) = self.post(&self.sessions(), &body).await;
        assert_eq!(status, 201, "{session}");
        let id = session["id"].as_str().unwrap().to_owned();
        self.until_idle(&id).await;
        id
    }

    pub(crate) async fn until_idle(&self, id: &str) -> Value {
        self.until_activity(id, "idle").await
    }

    /// The session once its turn does this and no message waits.
    pub(crate) async fn until_activity(&self, id: &str, activity: &str) -> Value {
        let path = format!("{}/{id}", self.sessions());
        let there = |session: &Value| session["activity"] == activity && session["queued"] == 0;
        self.until(&path, there).await
    }

    /// The answer to a read once it is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                last = self.get(path).await.1;
                if wanted(&last) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(waited.is_ok(), "it never got there: {last}");
        last
    }

    /// What the workspace's CLIs have heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = fs::read_to_string(self.home().join("heard")).unwrap_or_default();
        heard.lines().map(str::to_owned).collect()
    }

    /// Waits until they have heard so much.
    pub(crate) async fn until_heard(&self, count: usize) {
        let heard = async {
            while self.heard().len() < count {
                tokio::task::yield_now().await;
            }
        };
        let heard = tokio::time::timeout(DEADLINE, heard).await;
        assert!(heard.is_ok(), "they heard only {:?}", self.heard());
    }

    /// Lets slow turns end.
    pub(crate) fn go(&self) {
        fs::write(self.home().join("go"), "").unwrap();
    }

    /// The workspace's journal, as it is stored.
    pub(crate) async fn journal(&self) -> Vec<Value> {
        let store = self.core.store();
        let entries = store.entries(&self.workspace, None, 0, 100_000).await;
        let entries = entries.unwrap().into_iter();
        entries
            .map(|entry| serde_json::to_value(entry).unwrap())
            .collect()
    }

    /// Texts of the user's messages in the journal.
    pub(crate) async fn said(&self) -> Vec<String> {
        let journal = self.journal().await.into_iter();
        journal
            .filter(|entry| entry["kind"] == "user_message")
            .map(|entry| entry["payload"]["text"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// The next text or binary frame.
pub(crate) async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next())
            .await
            .expect("nothing came");
        match message.expect("the socket ended").unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

/// The next frame as JSON.
pub(crate) async fn next_json(socket: &mut Socket) -> Value {
    let message = next(socket).await;
    serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|_| panic!("{message:?}"))
}

/// The code with which the peer closes.
pub(crate) async fn close_code(socket: &mut Socket) -> u16 {
    closed(socket).await.0
}

/// The code with which the peer closes, and its reason.
pub(crate) async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Message::Close(frame) = next(socket).await {
            let frame = frame.expect("no close code");
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

/// The next answer to a frame of ours; other frames are passed over.
pub(crate) async fn answered(socket: &mut Socket) -> Value {
    loop {
        let frame = next_json(socket).await;
        if frame["type"] == "accepted" || frame["type"] == "rejected" {
            return frame;
        }
    }
}

pub(crate) async fn say(socket: &mut Socket, message: Message) {
    socket.send(message).await.unwrap();
}

async fn insert(core: &Core, worktree: &str) -> WorkspaceId {
    fs::create_dir(worktree).unwrap();
    let now = clock::now();
    let project = Project {
        id: ProjectId::generate(),
        name: "demo".into(),
        slug: "demo".into(),
        repo_path: "/nowhere".into(),
        worktree_base_path: "/nowhere".into(),
        default_branch: "main".into(),
        github_owner: None,
        github_repo: None,
        created_at: now,
        updated_at: now,
    };
    core.store().insert_project(&project).await.unwrap();
    let workspace = Workspace {
        id: WorkspaceId::generate(),
        project_id: project.id,
        name: "work".into(),
        description: None,
        status: WorkspaceStatus::Ready,
        worktree_path: Some(worktree.to_owned()),
        branch_name: Some("work".into()),
        creation_source: "MANUAL".into(),
        has_had_sessions: false,
        location: core.owner().location(),
        owner: core.owner().clone(),
        epoch: 1,
        handoff_id: None,
        pr: PullRequest::default(),
        ratchet: Ratchet::default(),
        created_at: now,
        updated_at: now,
    };
    core.store().insert_workspace(&workspace).await.unwrap();
    workspace.id
}
