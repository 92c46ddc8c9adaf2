//! The owner of one live session: the only one that writes its row, speaks to its CLI and
//! decides when that starts and ends.
//!
//! ```text
//!   first prompt -> spawn -> starting --initialize answered--> ready <-> turn
//!                     |         |                               |
//!                  not there   silent or dead                  idle too long | stop | died
//!                     v         v                               v
//!                   FAILED    FAILED                      IDLE | COMPLETED | FAILED
//! ```
//!
//! It lives while there is a process or a message to start one for; afterwards the row alone
//! remains, and the next prompt starts a new driver.

mod answers;
mod commands;
mod configure;
mod end;
mod lines;
mod login;
mod queue;
mod record;
mod start;
mod timers;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_protocol::session::{Answer, Capabilities, Configure, Prompt, Session, Stopped, TakenBack};
use ff_protocol::workspace::Owner;
use ff_protocol::{SessionId, Timestamp, WorkspaceId};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(super) use self::answers::{is_repeated as is_repeated_answer, unknown as unknown_request};
use self::configure::Configuring;
use self::login::Leave;
pub(super) use self::queue::is_known;
use self::timers::Timers;
use super::account::{Account, LoginState};
use super::check::unknown;
use super::doors::Doors;
use super::permission::Requests;
use super::process::{Cli, CliEvent};
use super::protocol::Sign;
use super::registry::Seat;
use super::turn::Turn;
use crate::activity::Awake;
use crate::config::CoreConfig;
use crate::error::{Error, Result};
use crate::store::{Change, MessageRecord, Store, Write};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What a driver is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Give the model a message; answered once it is in the journal and the CLI started.
    Prompt {
        /// The message.
        prompt: Prompt,
        /// Gets the session as it is then.
        reply: Reply<Session>,
    },
    /// Go on: start the CLI, and give it the messages that wait.
    Resume {
        /// Gets the session once its CLI is ready.
        reply: Reply<Session>,
    },
    /// End the turn; answered once it has ended.
    Interrupt {
        /// Gets the session as it is then.
        reply: Reply<Session>,
    },
    /// End the process; answered once it and all it started are gone.
    Stop {
        /// Whether the session takes no message any more.
        close: bool,
        /// Gets the session as it is then, and what was taken back.
        reply: Reply<Stopped>,
    },
    /// As [`Command::Stop`], but messages that wait go on waiting: the workspace leaves.
    Leave {
        /// Gets the session as it is then.
        reply: Reply<Stopped>,
    },
    /// Change settings; answered once the CLI, if it runs, has taken them.
    Configure {
        /// What changes.
        change: Configure,
        /// Gets the session as it is then.
        reply: Reply<Session>,
    },
    /// Answer a request of the CLI.
    Answer {
        /// The answer.
        answer: Answer,
        /// Told when it is in the journal and given to the CLI.
        reply: Reply<()>,
    },
    /// Look whether messages wait.
    Wake,
}

/// What all drivers share.
pub(super) struct Shared {
    /// Settings.
    pub(super) config: CoreConfig,
    /// Records.
    pub(super) store: Store,
    /// The side that may act.
    pub(super) owner: Owner,
    /// What the CLI offers, as it last said in each workspace.
    pub(super) offers: Mutex<HashMap<WorkspaceId, Arc<Capabilities>>>,
    /// Workspaces whose messages wait.
    pub(super) doors: Doors,
    /// How long things may take.
    pub(super) limits: Limits,
    /// How long the machine was frozen.
    pub(super) awake: Awake,
    /// The login of all CLIs.
    pub(super) account: Account,
    /// What keeps it, until the sessions are shut down.
    pub(super) keeping: AbortOnDropHandle<()>,
}

/// How long things may take.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// From the start of a CLI to its answer that it is ready.
    pub(super) ready: Duration,
    /// A turn.
    pub(super) turn: Duration,
    /// A turn without a sign of life from the CLI, while neither a tool runs nor the user is asked.
    pub(super) silence: Duration,
    /// From a change of settings to the CLI's answer.
    pub(super) control: Duration,
    /// From an interrupt to the end of the turn.
    pub(super) interrupt: Duration,
    /// The same while the CLI may be renewing the login: one that is killed then takes it along.
    /// The CLI gives the token host 30 s.
    pub(super) renewal: Duration,
    /// From the end of stdin to the end of the process.
    pub(super) exit: Duration,
    /// From SIGTERM to SIGKILL, and from there to giving up.
    pub(super) terminate: Duration,
    /// From the end of a background task to the turn the CLI starts about it.
    pub(super) follow_up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(30),
            turn: Duration::from_secs(4 * 60 * 60),
            silence: Duration::from_secs(30 * 60),
            control: Duration::from_secs(30),
            interrupt: Duration::from_secs(10),
            renewal: Duration::from_secs(35),
            exit: Duration::from_secs(3),
            terminate: Duration::from_secs(2),
            follow_up: Duration::from_secs(2),
        }
    }
}

/// Ends of a CLI that lost the same message, after which it is not sent again unasked.
const ATTEMPTS: u32 = 3;

/// Why we end a process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    Idle,
    Stop,
    Unready,
    Unresponsive,
}

/// The owner of one live session.
pub(super) struct Driver {
    seat: Seat,
    shared: Arc<Shared>,
    stop: CancellationToken,
    session: Session,
    unsaved: bool,
    cwd: PathBuf,
    queue: VecDeque<MessageRecord>,
    /// The message whose turn runs.
    sent: Option<MessageRecord>,
    /// CLIs in a row that ended without having taken the first message.
    lost: u32,
    /// A CLI is wanted though no message waits.
    wanted: bool,
    leave: Leave,
    /// The login that the last message was sent with.
    login: u64,
    /// Whether the journal says that the next message waits for a login.
    told_login: bool,
    /// How the login stands; seen by this driver up to its last look.
    account: watch::Receiver<LoginState>,
    /// What the turn that runs showed of it, if it failed for it.
    shown: Option<Sign>,
    turn: Turn,
    requests: Requests,
    timers: Timers,
    /// Id of our `initialize`, until it is answered.
    starting: Option<String>,
    /// Number of the CLI and when it started, while there is one.
    process: Option<(u32, Timestamp)>,
    ending: Option<Ending>,
    /// Rows that go with the next write.
    changes: Vec<Change>,
    /// Messages that waited in vain since the last change of the process's state.
    unsent: usize,
    /// Messages taken back by the stop under way.
    taken_back: Vec<TakenBack>,
    configuring: Vec<Configuring>,
    accepted: Vec<Reply<Session>>,
    until_ready: Vec<Reply<Session>>,
    until_turn_ends: Vec<Reply<Session>>,
    until_process_ends: Vec<Reply<Stopped>>,
}

impl Driver {
    /// A driver for a session without a process. Its rows are read here, where nobody else can
    /// write them any more.
    pub(super) async fn new(
        seat: Seat,
        shared: Arc<Shared>,
        stop: CancellationToken,
        workspace: &WorkspaceId,
        id: &SessionId,
    ) -> Result<Self> {
        let store = &shared.store;
        let row = store.session(workspace, id).await?;
        let session = row.ok_or_else(|| unknown(id))?;
        let waiting = store.waiting_requests(workspace, Some(id)).await?;
        let carried = store.carried_answers(id).await?;
        let queue = store.queued(id).await?.into();
        let account = shared.account.status();
        Ok(Self {
            seat,
            shared,
            stop,
            session,
            unsaved: false,
            cwd: PathBuf::new(),
            queue,
            sent: None,
            lost: 0,
            wanted: false,
            leave: Leave::default(),
            login: 0,
            told_login: false,
            account,
            shown: None,
            turn: Turn::default(),
            requests: Requests::left(waiting, carried),
            timers: Timers::default(),
            starting: None,
            process: None,
            ending: None,
            changes: Vec::new(),
            unsent: 0,
            taken_back: Vec::new(),
            configuring: Vec::new(),
            accepted: Vec::new(),
            until_ready: Vec::new(),
            until_turn_ends: Vec::new(),
            until_process_ends: Vec::new(),
        })
    }

    /// Serves the session until it has no process and nothing to start one for.
    pub(super) async fn run(mut self, first: Command) {
        self.command_without_process(first).await;
        loop {
            while let Ok(command) = self.seat.commands.try_recv() {
                self.command_without_process(command).await;
            }
            if !self.wants_process() {
                break;
            }
            if !self.has_leave().await {
                continue;
            }
            if let Err(error) = self.live_once().await {
                self.fail(&error).await;
            }
        }
        self.rest().await;
        self.answer_waiting();
    }

    /// What still waits does so without this driver, and the row is to say that.
    async fn rest(&mut self) {
        if self.reckon()
            && let Err(error) = self.write_with_row(Write::default()).await
        {
            tracing::error!(session = %self.session.id, ?error, "that the session rests could not be recorded");
        }
    }

    fn wants_process(&self) -> bool {
        let closed = self.shared.doors.is_closed(&self.session.workspace_id);
        !self.rests() && !closed && (self.wanted || (!self.queue.is_empty() && !self.session.held))
    }

    /// Whether nobody here starts anything any more.
    fn rests(&self) -> bool {
        self.stop.is_cancelled() || self.shared.doors.is_resting()
    }

    async fn drive(&mut self, cli: &mut Cli) -> Result<ExitStatus> {
        loop {
            self.settle(cli).await?;
            self.timers.move_by(self.shared.awake.lost());
            let wake = self.timers.next();
            tokio::select! {
                () = self.stop.cancelled(), if self.ending != Some(Ending::Stop) => self.begin_stop(cli),
                command = self.seat.commands.recv() => match command {
                    Some(command) => self.command(cli, command).await,
                    None => self.begin_stop(cli),
                },
                event = cli.next() => match event {
                    CliEvent::Line(line) => self.line(cli, line).await?,
                    CliEvent::Exited(status) => return Ok(status),
                },
                () = self.leave.granted() => {}
                () = login_changed(&mut self.account) => {}
                () = timers::sleep_until(wake) => self.timer(cli)?,
            }
        }
    }

    /// A fault of ours: the session fails, the engine lives.
    async fn fail(&mut self, error: &Error) {
        tracing::error!(session = %self.session.id, ?error, "the session's driver failed");
        self.session.held = true;
        self.wanted = false;
        let reason = "the engine could not go on with this session; its log has the reason";
        if let Err(error) = self.process_failed(reason.to_owned()).await {
            tracing::error!(session = %self.session.id, ?error, "the session's end could not be recorded");
        }
        self.answer_waiting();
    }
}

/// Waits until the login stands otherwise; for ever once nobody keeps it.
async fn login_changed(account: &mut watch::Receiver<LoginState>) {
    if account.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
