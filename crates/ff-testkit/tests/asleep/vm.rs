//! A journey's VM, and what Docker, the server's database and its own files say of it.

use std::time::{Duration, Instant};

use ff_client::{EngineClient, TerminalPlace};
use ff_protocol::awake::Lease;
use ff_protocol::session::{Answer, PermissionPreset, Session, StartSession};
use ff_protocol::terminal::{CreateTerminal, Terminal};
use ff_protocol::vm::Vm as Shown;
use ff_protocol::{RequestId, SessionId, VmId, WorkspaceId};
use ff_testkit::journey::outside::{inspect, look_inside, sqlite_row};
use ff_testkit::journey::{Options, World, up_to};
use ff_testkit::messages::PromptPlan;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::moves::Moves;
use crate::stage::options;

/// Time between two looks at something that takes seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub struct Vm {
    pub world: World,
    pub id: VmId,
    pub container: String,
    pub moves: Moves,
}

impl Vm {
    /// A VM of a server with these settings. A lease keeps it awake until that is ended.
    pub async fn new(settings: &[&str]) -> (Self, Lease) {
        let options = Options {
            settings: settings.iter().map(ToString::to_string).collect(),
            ..options()
        };
        let world = up_to(options, "provision").await.unwrap();
        world.messages().unwrap().set_script(PromptPlan);
        let id = world.vm().unwrap();
        let container = world.container().unwrap().to_owned();
        let vm = Self {
            moves: Moves::of(&container).await,
            world,
            id,
            container,
        };
        let lease = vm.keep_awake(600).await;
        (vm, lease)
    }

    /// Logs in, and sends a workspace.
    pub async fn send_workspace(&mut self) {
        self.world.go_on("send").await.unwrap();
    }

    pub fn engine(&self) -> EngineClient {
        self.world.client().unwrap().engine().clone()
    }

    /// Where its own terminals are.
    pub fn place(&self) -> TerminalPlace {
        TerminalPlace::Vm(self.id.clone())
    }

    /// Opens a terminal.
    pub async fn terminal(&self) -> Terminal {
        let (engine, create) = (self.engine(), CreateTerminal::default());
        let opened = engine.create_terminal(&self.place(), &create).await;
        opened.unwrap()
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.world.workspace().unwrap().parse().unwrap()
    }

    /// Makes a call that the typed client does not have.
    pub async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Value) -> T {
        let url = format!("{}/api/vms/{}{path}", self.world.url().unwrap(), self.id);
        let request = reqwest::Client::new().request(method, url).json(&body);
        let user = self.world.user().unwrap();
        let answer = request.header("x-ff-user", user.as_str()).send().await;
        let (status, text) = {
            let answer = answer.unwrap();
            (answer.status(), answer.text().await.unwrap())
        };
        assert!(status.is_success(), "{path}: {status} {text}");
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).unwrap()
    }

    /// Takes a lease; wakes the VM.
    pub async fn keep_awake(&self, seconds: u64) -> Lease {
        let body = json!({"seconds": seconds, "name": "the test looks"});
        self.call(Method::POST, "/leases", body).await
    }

    /// Ends a lease.
    pub async fn let_sleep(&self, lease: Lease) {
        let path = format!("/leases/{}", lease.id);
        let () = self.call(Method::DELETE, &path, json!(null)).await;
    }

    /// Its leases that have not ended.
    pub async fn leases(&self) -> Vec<Lease> {
        let listed: Value = self.call(Method::GET, "/leases", json!(null)).await;
        serde_json::from_value(listed["items"].clone()).unwrap()
    }

    pub async fn shown(&self) -> Shown {
        self.world.client().unwrap().vm(&self.id).await.unwrap()
    }

    /// What Docker calls the container's state: `running`, `paused`, `exited`.
    pub async fn state(&self) -> String {
        inspect(&self.container, "{{.State.Status}}").await.unwrap()
    }

    /// Waits until Docker calls its state so.
    pub async fn until(&self, state: &str, within: Duration) {
        let is_so = async || (self.state().await == state).then_some(());
        soon(&format!("the container is {state}"), within, is_so).await;
    }

    /// What the VM was in turn, by its account in the server's database.
    pub async fn account(&self) -> String {
        let sql = format!(
            "SELECT GROUP_CONCAT(kind, ' ') AS kinds FROM (SELECT kind FROM usage_intervals \
             WHERE vm_id = '{}' ORDER BY started_at)",
            self.id
        );
        self.row(&sql, "kinds").await
    }

    /// Asserts that its row says it runs as if nothing had happened.
    pub async fn runs_untroubled(&self) {
        let sql = format!(
            "SELECT state || ' ' || restarts || ' ' || COALESCE(reason_code, 'none') || ' ' || notices AS it \
             FROM vms WHERE id = '{}'",
            self.id
        );
        assert_eq!(self.row(&sql, "it").await, "RUNNING 0 none []");
    }

    async fn row(&self, sql: &str, column: &str) -> String {
        let file = self.world.server_dir().join("cloud.db");
        let row = sqlite_row(&file, sql, &[column]).await.unwrap();
        row.unwrap().remove(0)
    }

    /// Looks inside as its user. The VM has to be awake.
    pub async fn look(&self, command: &str) -> String {
        look_inside(&self.container, command).await.unwrap()
    }

    /// What the workspace's git says.
    pub async fn git(&self, command: &str) -> String {
        let checkout = self.world.vm_checkout().unwrap();
        self.look(&format!("git -C {checkout} {command}")).await
    }

    /// Asserts that `gh` and the CLI are logged in, by their own word.
    pub async fn is_logged_in(&self) {
        let gh = "gh auth status >/dev/null 2>&1; echo $?";
        assert_eq!(self.look(gh).await, "0", "gh is logged out");
        let claude = self.look("claude auth status; true").await;
        let claude: Value = serde_json::from_str(&claude).unwrap();
        assert_eq!(claude["loggedIn"], true, "{claude}");
    }

    pub async fn start_session(&self, prompt: &str, permissions: PermissionPreset) -> SessionId {
        let start = StartSession {
            prompt: Some(prompt.to_owned()),
            permissions: Some(permissions),
            ..Default::default()
        };
        let started = self.engine().start_session(&self.workspace(), &start).await;
        started.unwrap().id
    }

    /// Allows what the session asks for.
    pub async fn allow(&self, session: &SessionId, request_id: RequestId) {
        let answer = Answer {
            request_id,
            allow: true,
            message: None,
            answers: None,
            other: None,
            id: None,
            by: None,
        };
        let (engine, workspace) = (self.engine(), self.workspace());
        let told = engine.answer(&workspace, session, &answer).await;
        told.unwrap();
    }

    pub async fn session(&self, session: &SessionId) -> Session {
        let shown = self.engine().session(&self.workspace(), session).await;
        shown.unwrap().session
    }

    /// Waits until the session's turn has ended, and returns its last words.
    pub async fn completed(&self, session: &SessionId, within: Duration) -> String {
        let ended = async || self.session(session).await.last_turn;
        let turn = soon("the turn ends", within, ended).await;
        let outcome = serde_json::to_value(turn.outcome).unwrap();
        assert_eq!(outcome, "completed", "{turn:?}");
        turn.result.unwrap()
    }
}

/// Looks again and again until there is an answer.
pub async fn soon<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        let waited = begun.elapsed();
        assert!(waited < within, "waited {waited:?} in vain: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
