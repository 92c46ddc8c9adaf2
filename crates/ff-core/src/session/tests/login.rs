//! Sessions over one login: the real CLI as a process, the API and the token host played.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ff_protocol::session::{Activity, EntryKind, Session, SessionStatus, TurnOutcome};
use ff_testkit::login::{Credentials, LoginStage, Refresh};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;

use super::world::{World, quick, until};
use crate::clock;
use crate::session::account::LoginState;
use crate::session::driver::Limits;
use crate::session::{Event, Sessions};

const DEADLINE: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);
const SESSIONS: usize = 5;

struct Stage {
    login: LoginStage,
    world: World,
    events: Receiver<Event>,
}

impl Stage {
    /// A stage with a login that is valid for so long.
    async fn new(valid: Option<Duration>) -> Self {
        let image = std::env::var("FF_VM_IMAGE").unwrap_or_else(|_| "ff-vm:latest".to_owned());
        let login = LoginStage::start(&image).await.unwrap();
        if let Some(valid) = valid {
            login.logins.log_in(valid).write(&login.home()).unwrap();
        }
        let limits = Limits {
            ready: DEADLINE,
            ..Limits::default()
        };
        let (home, claude) = (login.home(), login.claude().to_owned());
        let world = World::with("", limits, |config| {
            (config.home, config.claude) = (home, claude);
        })
        .await;
        let events = world.events();
        Self {
            login,
            world,
            events,
        }
    }

    fn sessions(&self) -> &Sessions {
        &self.world.sessions
    }

    /// Five sessions at once, each with a message.
    async fn five(&self) -> Vec<Session> {
        let starts = (0..SESSIONS).map(|_| self.world.start("SAY done"));
        futures_util::future::join_all(starts).await
    }

    /// Waits until the login is required.
    async fn required(&self) {
        let mut status = self.sessions().account().status();
        let required = status.wait_for(|state| matches!(state, LoginState::Required(_)));
        let required = tokio::time::timeout(DEADLINE, required).await;
        drop(required.expect("no login was required").unwrap());
    }

    fn log_in(&self) {
        let login = self.login.logins.log_in(HOUR);
        login.write(&self.login.home()).unwrap();
    }

    async fn until(&mut self, session: &Session, wanted: impl Fn(&Session) -> bool) -> Session {
        until(&self.world, &mut self.events, &session.id, wanted).await
    }

    /// Waits until each has ended its turn; none may have failed.
    async fn all_done(&mut self, sessions: &[Session]) {
        for session in sessions {
            let done = self.until(session, |row| row.last_turn.is_some()).await;
            let turn = done.last_turn.unwrap();
            assert_eq!(turn.outcome, TurnOutcome::Completed, "{turn:?}");
            assert_eq!(turn.result.as_deref(), Some("done"));
        }
        let ends = self.payloads(EntryKind::TurnEnded).await;
        assert_eq!(ends.len(), sessions.len(), "{ends:?}");
    }

    async fn payloads(&self, kind: EntryKind) -> Vec<Value> {
        let journal = self.world.journal().await;
        let of_kind = journal.into_iter().filter(|entry| entry.kind == kind);
        of_kind.map(|entry| entry.payload).collect()
    }

    /// What the journal says of turns that wait for a login.
    async fn waits(&self) -> usize {
        let said = self.payloads(EntryKind::ClaudeMessage).await;
        let waits = said.iter().filter(|it| it["type"] == "login_required");
        waits.count()
    }

    /// Statuses of the API's answers to messages.
    fn answers(&self) -> Vec<u16> {
        let requests = self.login.api.requests();
        let messages = requests.iter().filter(|it| it.is_message());
        messages.map(|it| it.status).collect()
    }
}

#[tokio::test]
async fn five_sessions_renew_an_expiring_login_once_and_none_is_refused() {
    let mut stage = Stage::new(Some(Duration::from_secs(120))).await;
    // So a CLI that does not wait is refused, and takes longer than it waits for another's refresh.
    stage.login.logins.expire();
    stage.login.host.set_delay(Duration::from_secs(12));
    let sessions = stage.five().await;
    stage.all_done(&sessions).await;
    assert_eq!(stage.login.host.refreshes(), [Refresh::Renewed]);
    assert_eq!(stage.answers(), [200; SESSIONS]);
    assert_eq!(stage.waits().await, 0);
    stage.sessions().shutdown().await;
}

#[tokio::test]
async fn a_revoked_login_is_required_once_and_all_go_on_after_the_next() {
    let mut stage = Stage::new(Some(HOUR)).await;
    stage.login.logins.revoke();
    let sessions = stage.five().await;
    stage.required().await;
    let told = stage.sessions().account().required();
    for session in &sessions {
        let waiting = stage.until(session, |row| row.login_required.is_some());
        let waiting = waiting.await;
        assert_eq!(waiting.login_required, told);
        assert_eq!(
            (waiting.queued, waiting.activity),
            (1, Activity::WaitingForUser)
        );
        assert_eq!(waiting.last_turn, None, "nothing has failed");
    }
    assert_eq!(
        stage.sessions().account().required(),
        told,
        "one, told once"
    );
    let waits = stage.waits().await;
    assert_eq!(waits, SESSIONS, "each says once that it waits");
    assert_eq!(Credentials::expiry_in(&stage.login.home()), Some(0));
    let refused = stage.answers().len();
    stage.log_in();
    stage.all_done(&sessions).await;
    assert_eq!(stage.sessions().account().required(), None);
    assert_eq!(stage.login.host.refreshes(), [Refresh::Refused]);
    assert_eq!(stage.answers()[refused..], [200; SESSIONS]);
    for session in &sessions {
        let row = stage.world.row(&session.id).await;
        assert_eq!((row.login_required, row.activity), (None, Activity::Idle));
    }
    stage.sessions().shutdown().await;
}

#[tokio::test]
async fn sessions_without_a_login_wait_for_the_first() {
    let mut stage = Stage::new(None).await;
    let sessions = stage.five().await;
    stage.required().await;
    for session in &sessions {
        stage.until(session, |row| row.queued == 1).await;
    }
    stage.log_in();
    stage.all_done(&sessions).await;
    assert_eq!(stage.answers(), [200; SESSIONS]);
    assert_eq!(stage.login.host.refreshes(), []);
    stage.sessions().shutdown().await;
}

#[tokio::test]
async fn an_interrupt_takes_back_what_waits_for_a_login() {
    let mut stage = Stage::new(None).await;
    let session = stage.world.start("SAY done").await;
    stage.required().await;
    stage.until(&session, |row| row.queued == 1).await;
    let workspace = stage.world.workspace.clone();
    let interrupted = stage.sessions().interrupt(&workspace, &session.id, None);
    let row = interrupted.await.unwrap();
    assert_eq!(row.queued, 0);
    let last = row.last_turn.unwrap();
    assert_eq!(last.outcome, TurnOutcome::Interrupted);
    stage.sessions().shutdown().await;
}

#[tokio::test]
async fn a_turn_that_loses_its_login_goes_on_from_where_it_was() {
    let mut stage = Stage::new(Some(HOUR)).await;
    let work = stage.world.worktree();
    let tool = "TOOL Bash {\"command\":\"echo x >> ran; until [ -e go ]; do sleep 0.1; done\"}";
    let session = stage.world.start(tool).await;
    exists(&work.join("ran")).await;
    stage.login.logins.revoke();
    fs::write(work.join("go"), "").unwrap();
    stage.required().await;
    stage.until(&session, |row| row.queued == 1).await;
    stage.log_in();
    let completed = |row: &Session| {
        let turn = row.last_turn.as_ref();
        turn.is_some_and(|turn| turn.outcome == TurnOutcome::Completed)
    };
    stage.until(&session, completed).await;
    assert_eq!(fs::read_to_string(work.join("ran")).unwrap(), "x\n");
    let sent = stage.payloads(EntryKind::UserMessage).await;
    let origins: Vec<_> = sent.iter().map(|it| it["origin"].clone()).collect();
    assert_eq!(origins, ["user", "resume"]);
    stage.sessions().shutdown().await;
}

async fn exists(path: &Path) {
    let waiting = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let there = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(there.is_ok(), "{} never came", path.display());
}

const BUSY_ONCE: &str = r#"
on_user() {
  text="Failed to refresh OAuth token: another Claude Code process is refreshing it"
  if [ -e "$here/once" ]; then result "$1" done; return; fi
  touch "$here/once"
  say "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]},\"error\":\"server_error\"}"
  result "$1" "$text" true
}
"#;

#[tokio::test]
async fn a_message_that_met_another_ones_renewal_goes_again_under_a_new_uuid() {
    let world = World::with(BUSY_ONCE, quick(), |_| {}).await;
    let mut events = world.events();
    let session = world.start("hello").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    let turn = row.last_turn.unwrap();
    assert_eq!(
        (turn.outcome, turn.result.as_deref()),
        (TurnOutcome::Completed, Some("done"))
    );
    let kinds = world.kinds().await;
    let ends = kinds.iter().filter(|kind| **kind == EntryKind::TurnEnded);
    assert_eq!(ends.count(), 1);
    let first = world.journal().await.remove(0).payload["uuid"].clone();
    let end = world.last(EntryKind::TurnEnded).await;
    assert_ne!(end["user_message_uuids"][0], first);
    assert_eq!(
        world.store.queued(&session.id).await.unwrap(),
        [],
        "it is done"
    );
    world.sessions.shutdown().await;
}

const SLOW_TO_OBEY: &str = r#"
on_user() { touch "$here/sent"; }
on_interrupt() { sleep 1; aborted "$current"; }
"#;

#[tokio::test]
async fn an_interrupt_does_not_kill_a_cli_that_may_be_renewing_the_login() {
    let world = World::with(SLOW_TO_OBEY, quick(), |config| {
        let soon = clock::now().timestamp_millis() + 60_000;
        let text = format!(r#"{{"claudeAiOauth":{{"expiresAt":{soon}}}}}"#);
        fs::create_dir(config.home.join(".claude")).unwrap();
        fs::write(config.home.join(".claude/.credentials.json"), text).unwrap();
    })
    .await;
    let session = world.start("hello").await;
    exists(&world.dir.path().join("sent")).await;
    let workspace = &world.workspace;
    let interrupted = world.sessions.interrupt(workspace, &session.id, None).await;
    let row = interrupted.unwrap();
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    assert_eq!((row.status, row.error), (SessionStatus::Running, None));
    world.sessions.shutdown().await;
}

const LOGGED_OUT: &str = r#"
on_user() {
  text="Not logged in · Please run /login"
  say "{\"type\":\"assistant\",\"message\":{\"model\":\"<synthetic>\",\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]},\"error\":\"authentication_failed\"}"
  result "$1" "$text" true
}
"#;

#[tokio::test]
async fn a_shutdown_leaves_what_waits_for_a_login_to_the_next_engine() {
    let world = World::with(LOGGED_OUT, quick(), |_| {}).await;
    let mut events = world.events();
    let session = world.start("hello").await;
    let waits = |row: &Session| row.login_required.is_some();
    let row = until(&world, &mut events, &session.id, waits).await;
    assert_eq!(row.activity, Activity::WaitingForUser);
    world.sessions.shutdown().await;
    let row = world.row(&session.id).await;
    assert_eq!(
        (row.status, row.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    assert_eq!((row.queued, row.held, row.login_required), (1, false, None));
}
