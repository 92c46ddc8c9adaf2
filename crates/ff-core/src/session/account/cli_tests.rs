//! Five real CLIs over one login whose refresh token works once.

use std::time::Duration;

use ff_protocol::SessionId;
use ff_protocol::session::PermissionMode;
use ff_testkit::login::{Credentials, LoginStage, Refresh};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Account, LoginState};
use crate::activity::Awake;
use crate::config::{CoreConfig, Side};
use crate::session::process::{Cli, CliEvent, Launch};
use crate::session::protocol::{self, Incoming, Line, LoggedOut, Message, Sign};

const DEADLINE: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);
const SESSIONS: usize = 5;

struct World {
    stage: LoginStage,
    config: CoreConfig,
    account: Account,
    _keeping: AbortOnDropHandle<()>,
}

/// What a session did: each turn's result, and what showed that it was logged out.
#[derive(Debug, Default)]
struct Told {
    result: String,
    logged_out: Vec<LoggedOut>,
}

impl World {
    async fn new(valid: Option<Duration>) -> Self {
        let image = std::env::var("FF_VM_IMAGE").unwrap_or_else(|_| "ff-vm:latest".to_owned());
        let stage = LoginStage::start(&image).await.unwrap();
        let home = stage.home();
        if let Some(valid) = valid {
            stage.logins.log_in(valid).write(&home).unwrap();
        }
        let data = home.join("data");
        let mut config = CoreConfig::new(Side::Desktop, home.clone(), data.clone(), data);
        config.claude = stage.claude().to_owned();
        let (account, keeping) = Account::start(&config.claude, &home, Awake::default());
        Self {
            stage,
            config,
            account,
            _keeping: keeping,
        }
    }

    /// A session as its driver runs it: one CLI, one message, which goes again when the login was
    /// lost. Tells of each loss at once.
    async fn session(&self, lost: mpsc::Sender<()>) -> Told {
        let (session, conversation) = (SessionId::generate(), Uuid::new_v4().to_string());
        let cwd = self.stage.work();
        let launch = Launch {
            session: &session,
            cwd: &cwd,
            conversation: &conversation,
            resume: false,
            fork_of: None,
            model: None,
            mode: PermissionMode::default(),
        };
        let mut told = Told::default();
        let mut slot = Some(self.account.slot().await);
        let mut cli = Cli::spawn(&self.config, &launch).unwrap();
        loop {
            let login = slot.as_ref().unwrap().login();
            let uuid = Uuid::new_v4().to_string();
            assert!(cli.send(&protocol::user_message(&uuid, "SAY done")));
            let mut shown = None;
            let result = loop {
                let incoming = line(&mut cli).await;
                match protocol::sign(&incoming) {
                    Some(Sign::Answered) => drop(slot.take().map(super::Slot::answered)),
                    Some(Sign::LoggedOut(out)) => shown = Some(out),
                    Some(Sign::Busy) | None => {}
                }
                if let Message::Result(result) = incoming.message {
                    break result;
                }
            };
            if let Some(out) = shown {
                self.account.logged_out(login, out.clone()).await;
                told.logged_out.push(out);
                drop(slot.take());
                // The user hears of the first one.
                let _ = lost.send(()).await;
                slot = Some(self.account.slot().await);
                continue;
            }
            assert!(!result.is_error, "{result:?}");
            told.result = result.result.unwrap_or_default();
            cli.close_stdin();
            while !matches!(cli.next().await, CliEvent::Exited(_)) {}
            return told;
        }
    }

    /// Five sessions at once; `user` acts meanwhile, told of each loss.
    async fn five(&self, user: impl AsyncFnOnce(mpsc::Receiver<()>)) -> Vec<Told> {
        let (lost, losses) = mpsc::channel(SESSIONS * 2);
        let sessions = (0..SESSIONS).map(|_| self.session(lost.clone()));
        let all = futures_util::future::join_all(sessions);
        drop(lost);
        let (all, ()) = tokio::time::timeout(DEADLINE, async { tokio::join!(all, user(losses)) })
            .await
            .expect("the sessions did not end");
        all
    }

    /// Statuses of the API's answers to messages.
    fn answers(&self) -> Vec<u16> {
        let requests = self.stage.api.requests();
        let messages = requests.iter().filter(|it| it.is_message());
        messages.map(|it| it.status).collect()
    }
}

async fn line(cli: &mut Cli) -> Incoming {
    match cli.next().await {
        CliEvent::Line(Line::Text(text)) => protocol::parse(&text).unwrap(),
        other => panic!("{other:?}: {}", cli.stderr_tail()),
    }
}

#[tokio::test]
async fn five_sessions_renew_an_expiring_login_once_and_none_fails() {
    let world = World::new(Some(Duration::from_secs(120))).await;
    // So a CLI that does not wait is refused, and takes longer than it waits for another's refresh.
    world.stage.logins.expire();
    world.stage.host.set_delay(Duration::from_secs(12));
    let told = world.five(async |_| {}).await;
    assert_eq!(world.stage.host.refreshes(), [Refresh::Renewed]);
    assert_eq!(world.answers(), [200; SESSIONS]);
    for session in &told {
        assert_eq!(
            (session.result.as_str(), session.logged_out.len()),
            ("done", 0)
        );
    }
    assert_eq!(*world.account.status().borrow(), LoginState::Free);
}

#[tokio::test]
async fn a_revoked_login_is_required_once_and_all_go_on_after_the_next() {
    let world = World::new(Some(HOUR)).await;
    world.stage.logins.revoke();
    let told = world
        .five(async |mut losses| {
            losses.recv().await.unwrap();
            let mut status = world.account.status();
            let required = |state: &LoginState| matches!(state, LoginState::Required(_));
            status.wait_for(required).await.unwrap();
            let login = world.stage.logins.log_in(HOUR);
            login.write(&world.stage.home()).unwrap();
        })
        .await;
    for session in &told {
        assert_eq!(session.result, "done");
        assert!(session.logged_out.len() <= 1, "{session:?}");
    }
    assert_eq!(world.account.required(), None);
    assert_eq!(
        world.answers().iter().filter(|it| **it == 200).count(),
        SESSIONS
    );
    assert_eq!(world.stage.host.refreshes(), [Refresh::Refused]);
}

#[tokio::test]
async fn sessions_without_a_login_wait_for_the_first() {
    let world = World::new(None).await;
    let told = world
        .five(async |mut losses| {
            losses.recv().await.unwrap();
            assert_eq!(Credentials::expiry_in(&world.stage.home()), None);
            let login = world.stage.logins.log_in(HOUR);
            login.write(&world.stage.home()).unwrap();
        })
        .await;
    for session in &told {
        assert_eq!(session.result, "done");
    }
    assert_eq!(world.answers(), [200; SESSIONS]);
    assert_eq!(world.stage.host.refreshes(), []);
}
