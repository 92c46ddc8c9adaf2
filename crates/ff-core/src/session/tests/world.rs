//! A core's sessions over a scripted CLI: bash, with one function a test writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ff_protocol::project::Project;
use ff_protocol::session::{
    Answer, EntryKind, JournalEntry, PermissionPreset, Prompt, Session, StartSession,
};
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ProjectId, SessionId, WorkspaceId};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;

use crate::activity::Awake;
use crate::clock;
use crate::config::{CoreConfig, Side};
use crate::session::driver::Limits;
use crate::session::{Event, Sessions};
use crate::store::Store;

const DEADLINE: Duration = Duration::from_secs(60);

/// Answers `initialize`, enters messages in a transcript unless `keeps=false`, and calls `on_user UUID LINE`, `on_interrupt` and `on_answer LINE`.
pub(crate) const FRAME: &str = r#"#!/bin/bash
here=$(dirname "$0")
printf '%s\n' "$*" >> "$here/args"
field() { [[ $2 =~ \"$1\":\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"; }
say() { printf '%s\n' "$1"; }
result() { say "{\"subtype\":\"success\",\"is_error\":${3:-false},\"result\":\"$2\",\"terminal_reason\":\"completed\",\"type\":\"result\",\"user_message_uuids\":[\"$1\"]}"; }
aborted() { say "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"errors\":[\"cut\"],\"terminal_reason\":\"aborted_tools\",\"user_message_uuids\":[\"$1\"]}"; }
conversation() { [[ "$*" =~ (--session-id|--resume)\ ([^ ]+)$ ]] || [[ "$*" =~ (--session-id|--resume)\ ([^ ]+) ]]; printf '%s' "${BASH_REMATCH[2]}"; }
transcript="$HOME/.claude/projects/${PWD//[^a-zA-Z0-9]/-}/$(conversation "$@").jsonl"
keeps=true
version=2.1.330
on_control() { :; }
keep() { mkdir -p "${transcript%/*}"; printf '{"type":"user","uuid":"%s","message":{}}\n' "$1" >> "$transcript"; }
on_start() { :; }
on_user() { result "$1" done; }
on_interrupt() { aborted "$current"; }
on_answer() { :; }
"#;

pub(crate) const LOOP: &str = r#"
on_start
while IFS= read -r line; do
  case $line in
    *'"subtype":"initialize"'*) say "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"$(field request_id "$line")\",\"response\":{\"claude_code_version\":\"$version\",\"commands\":[{\"name\":\"compact\"}]}}}" ;;
    *'"subtype":"interrupt"'*) on_interrupt ;;
    *'"subtype":"set_'*) on_control "$line" ;;
    *'"type":"control_response"'*) on_answer "$line" ;;
    *'"type":"user"'*) current=$(field uuid "$line"); $keeps && keep "$current"; on_user "$current" "$line" ;;
  esac
done
"#;

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) config: CoreConfig,
    pub(super) store: Store,
    pub(super) sessions: Sessions,
    pub(super) workspace: WorkspaceId,
}

pub(super) fn quick() -> Limits {
    Limits {
        interrupt: Duration::from_millis(500),
        terminate: Duration::from_millis(500),
        follow_up: Duration::from_millis(300),
        ..Limits::default()
    }
}

impl World {
    /// A world whose CLI is scripted by `script`.
    pub(super) async fn new(script: &str) -> Self {
        Self::with(script, quick(), |_| {}).await
    }

    pub(super) async fn with(
        script: &str,
        limits: Limits,
        adjust: impl FnOnce(&mut CoreConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        let mut config = CoreConfig::new(
            Side::Desktop,
            home.clone(),
            home.join("data"),
            home.join("base"),
        );
        config.claude = home.join("claude");
        adjust(&mut config);
        fs::write(home.join("claude"), format!("{FRAME}{script}{LOOP}")).unwrap();
        fs::set_permissions(home.join("claude"), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(&home.join("core.db")).await.unwrap();
        let owner = Owner::Desktop(store.installation_id().await.unwrap());
        let worktree = home.join("work");
        fs::create_dir(&worktree).unwrap();
        let workspace = insert(&store, &owner, worktree).await;
        let sessions = Sessions::with_limits(
            config.clone(),
            store.clone(),
            owner,
            Awake::default(),
            limits,
        );
        Self {
            dir,
            config,
            store,
            sessions,
            workspace,
        }
    }

    pub(super) fn worktree(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(super) fn events(&self) -> Receiver<Event> {
        self.sessions.watch(&self.workspace).events
    }

    /// The same records under a new engine, as after a crash of the one so far.
    pub(super) fn again(&self) -> Sessions {
        let owner = self.sessions.shared.owner.clone();
        let (config, store) = (self.config.clone(), self.store.clone());
        Sessions::with_limits(config, store, owner, Awake::default(), quick())
    }

    pub(super) async fn start(&self, prompt: &str) -> Session {
        let start = StartSession {
            prompt: Some(prompt.to_owned()),
            ..StartSession::default()
        };
        self.sessions.start(&self.workspace, start).await.unwrap()
    }

    pub(super) async fn start_strict(&self, prompt: &str) -> Session {
        let start = StartSession {
            prompt: Some(prompt.to_owned()),
            permissions: Some(PermissionPreset::Strict),
            ..StartSession::default()
        };
        self.sessions.start(&self.workspace, start).await.unwrap()
    }

    pub(super) async fn prompt(&self, id: &SessionId, text: &str) -> Session {
        let prompt = prompt(text);
        self.sessions
            .prompt(&self.workspace, id, prompt)
            .await
            .unwrap()
    }

    pub(super) async fn row(&self, id: &SessionId) -> Session {
        self.store
            .session(&self.workspace, id)
            .await
            .unwrap()
            .unwrap()
    }

    pub(super) async fn journal(&self) -> Vec<JournalEntry> {
        self.store
            .entries(&self.workspace, None, 0, 1000)
            .await
            .unwrap()
    }

    pub(super) async fn kinds(&self) -> Vec<EntryKind> {
        self.journal()
            .await
            .into_iter()
            .map(|entry| entry.kind)
            .collect()
    }

    /// Payload of the last entry of a kind.
    pub(super) async fn last(&self, kind: EntryKind) -> Value {
        let journal = self.journal().await;
        journal
            .into_iter()
            .rfind(|entry| entry.kind == kind)
            .expect("no such entry")
            .payload
    }

    /// The arguments of each start of the CLI.
    pub(super) fn starts(&self) -> Vec<String> {
        let args = fs::read_to_string(self.dir.path().join("args")).unwrap_or_default();
        args.lines().map(str::to_owned).collect()
    }
}

/// Waits until the session's row is as wanted.
pub(super) async fn until(
    world: &World,
    events: &mut Receiver<Event>,
    id: &SessionId,
    wanted: impl Fn(&Session) -> bool,
) -> Session {
    let mut row = world.row(id).await;
    let waiting = async {
        while !wanted(&row) {
            if let Event::Status(_) = events.recv().await.unwrap() {
                row = world.row(id).await;
            }
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(waited.is_ok(), "the session never got there: {row:?}");
    row
}

pub(super) fn prompt(text: &str) -> Prompt {
    Prompt {
        text: text.to_owned(),
        id: None,
    }
}

/// A session of some workspace.
pub(crate) fn session() -> Session {
    let now = clock::now();
    Session {
        id: SessionId::generate(),
        workspace_id: WorkspaceId::generate(),
        name: None,
        workflow: "followup".into(),
        model: None,
        permissions: PermissionPreset::Strict,
        status: ff_protocol::session::SessionStatus::Idle,
        activity: ff_protocol::session::Activity::Idle,
        last_turn: None,
        error: None,
        provider_session_id: uuid::Uuid::new_v4().to_string(),
        permission_mode: ff_protocol::session::PermissionMode::Default,
        thinking_tokens: None,
        fork_of: None,
        queued: 0,
        held: false,
        login_required: None,
        total_cost_usd: None,
        warning: None,
        closed_at: None,
        created_at: now,
        updated_at: now,
    }
}

pub(super) fn answer(request: &Value, allow: bool) -> Answer {
    let request_id = serde_json::from_value(request["requestId"].clone()).unwrap();
    Answer {
        request_id,
        allow,
        message: None,
        answers: None,
        other: None,
        id: None,
        by: Some("a test".into()),
    }
}

async fn insert(store: &Store, owner: &Owner, worktree: PathBuf) -> WorkspaceId {
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
        is_archived: false,
        issue_provider: Default::default(),
        startup: Default::default(),
        created_at: now,
        updated_at: now,
    };
    store.insert_project(&project).await.unwrap();
    let workspace = Workspace {
        status: WorkspaceStatus::Ready,
        worktree_path: Some(worktree.to_str().unwrap().to_owned()),
        branch_name: Some("work".into()),
        ..Workspace::new(project.id, "work", owner.clone(), now)
    };
    store.insert_workspace(&workspace).await.unwrap();
    workspace.id
}
