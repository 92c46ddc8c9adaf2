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

mod commands;
mod end;
mod lines;
mod record;
mod timers;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use ff_protocol::Timestamp;
use ff_protocol::session::{Answer, Session, SessionStatus};
use ff_protocol::workspace::Owner;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(super) use self::lines::cut_entry;
use self::timers::Timers;
use super::events::Events;
use super::exit;
use super::permission::Requests;
use super::process::{Cli, CliEvent, Launch};
use super::protocol;
use super::registry::Seat;
use super::transcript::transcript_files;
use super::turn::Turn;
use crate::activity::Awake;
use crate::clock;
use crate::config::CoreConfig;
use crate::error::{Error, Result};
use crate::store::Store;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What a driver is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Give the model a message; answered once it is in the journal and the CLI started.
    Prompt {
        /// The message.
        text: String,
        /// Gets the session as it is then.
        reply: Reply<Session>,
    },
    /// End the turn; answered once it has ended.
    Interrupt {
        /// Gets the session as it is then.
        reply: Reply<Session>,
    },
    /// End the process; answered once it and all it started are gone.
    Stop {
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
}

/// What all drivers share.
pub(super) struct Shared {
    /// Settings.
    pub(super) config: CoreConfig,
    /// Records.
    pub(super) store: Store,
    /// The side that may act.
    pub(super) owner: Owner,
    /// Watchers.
    pub(super) events: Events,
    /// How long things may take.
    pub(super) limits: Limits,
    /// How long the machine was frozen.
    pub(super) awake: Awake,
}

/// How long things may take.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// From the start of a CLI to its answer that it is ready.
    pub(super) ready: Duration,
    /// A turn.
    pub(super) turn: Duration,
    /// From an interrupt to the end of the turn.
    pub(super) interrupt: Duration,
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
            interrupt: Duration::from_secs(10),
            exit: Duration::from_secs(3),
            terminate: Duration::from_secs(2),
            follow_up: Duration::from_secs(2),
        }
    }
}

#[derive(Debug)]
struct Queued {
    uuid: String,
    text: String,
}

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
    queue: VecDeque<Queued>,
    turn: Turn,
    requests: Requests,
    timers: Timers,
    /// Id of our `initialize`, until it is answered.
    starting: Option<String>,
    /// Number of the CLI and when it started, while there is one.
    process: Option<(u32, Timestamp)>,
    ending: Option<Ending>,
    /// Messages thrown away since the last change of the process's state.
    unsent: usize,
    accepted: Vec<Reply<Session>>,
    until_turn_ends: Vec<Reply<Session>>,
    until_process_ends: Vec<Reply<Session>>,
}

impl Driver {
    /// A driver for a session without a process. The row is read here, where nobody else can
    /// write it any more.
    pub(super) async fn new(
        seat: Seat,
        shared: Arc<Shared>,
        stop: CancellationToken,
        session: &Session,
    ) -> Result<Self> {
        let row = shared
            .store
            .session(&session.workspace_id, &session.id)
            .await?;
        let session = row.ok_or_else(|| super::unknown(&session.id))?;
        Ok(Self {
            seat,
            shared,
            stop,
            session,
            unsaved: false,
            cwd: PathBuf::new(),
            queue: VecDeque::new(),
            turn: Turn::default(),
            requests: Requests::default(),
            timers: Timers::default(),
            starting: None,
            process: None,
            ending: None,
            unsent: 0,
            accepted: Vec::new(),
            until_turn_ends: Vec::new(),
            until_process_ends: Vec::new(),
        })
    }

    /// Serves the session until it has no process and nothing to start one for.
    pub(super) async fn run(mut self, first: Command) {
        self.command_without_process(first).await;
        while !self.queue.is_empty() {
            if let Err(error) = self.live_once().await {
                self.fail(&error).await;
            }
            while let Ok(command) = self.seat.commands.try_recv() {
                self.command_without_process(command).await;
            }
        }
    }

    /// One process from start to end.
    async fn live_once(&mut self) -> Result<()> {
        let mut cli = match self.spawn() {
            Ok(cli) => cli,
            Err(error) => {
                self.drop_queue();
                let reason = exit::not_started(&self.shared.config.claude, &error);
                return self
                    .process_state(SessionStatus::Failed, Some(reason))
                    .await;
            }
        };
        self.process = cli.id().map(|id| (id, clock::now()));
        let request = uuid::Uuid::new_v4().to_string();
        cli.send(&protocol::initialize(&request));
        self.starting = Some(request);
        self.ending = None;
        self.timers = Timers::starting(&self.shared.limits, self.shared.awake.lost());
        self.process_state(SessionStatus::Running, None).await?;
        let ended = self.drive(&mut cli).await;
        self.finish(cli, ended).await
    }

    fn spawn(&self) -> std::io::Result<Cli> {
        let config = &self.shared.config;
        let conversation = &self.session.provider_session_id;
        let launch = Launch {
            session: &self.session.id,
            cwd: &self.cwd,
            conversation,
            resume: !transcript_files(&config.home, &self.cwd, conversation).is_empty(),
            model: self.session.model.as_deref(),
        };
        Cli::spawn(config, &launch)
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
                () = timers::sleep_until(wake) => self.timer(cli)?,
            }
        }
    }

    fn drop_queue(&mut self) {
        self.unsent += self.queue.len();
        self.queue.clear();
    }

    /// A fault of ours: the session fails, the engine lives.
    async fn fail(&mut self, error: &Error) {
        tracing::error!(session = %self.session.id, ?error, "the session's driver failed");
        self.drop_queue();
        let reason = "the engine could not go on with this session; its log has the reason";
        if let Err(error) = self
            .process_state(SessionStatus::Failed, Some(reason.to_owned()))
            .await
        {
            tracing::error!(session = %self.session.id, ?error, "the session's end could not be recorded");
        }
        self.answer_waiting();
    }
}
