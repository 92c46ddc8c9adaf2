//! Sessions: conversations with the Claude CLI, one process each at most.
//!
//! [`Sessions`] finds or starts the driver of a session and hands it the request; the driver
//! owns the process and the row (see `driver`).

pub mod account;
mod driver;
mod events;
mod exit;
mod load;
pub(crate) mod login;
mod marked;
mod permission;
mod process;
mod protocol;
mod recover;
mod registry;
pub mod transcript;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use ff_protocol::session::{Activity, Answer, Prompt, Session, SessionStatus, StartSession};
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, SessionId, WorkspaceId};
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::driver::{Command, Driver, Limits, Reply, Shared};
pub use self::events::Event;
pub use self::load::Causes;
use self::registry::{LIVE_PER_WORKSPACE, Registry, Seat};
use crate::activity::Awake;
use crate::clock;
use crate::config::CoreConfig;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::workspace::ensure_owned;

const LONGEST_PROMPT: usize = 1024 * 1024;
const LONGEST_NAME: usize = 200;
const SHUTDOWN: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 5;

/// All sessions of a core. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
    registry: Registry,
    drivers: TaskTracker,
    stop: CancellationToken,
}

impl Sessions {
    /// Sessions on these records, acted on as `owner`, whose deadlines move by the time that
    /// `awake` lost. Starts nothing.
    pub fn new(config: CoreConfig, store: Store, owner: Owner, awake: Awake) -> Self {
        Self::with_limits(config, store, owner, awake, Limits::default())
    }

    fn with_limits(
        config: CoreConfig,
        store: Store,
        owner: Owner,
        awake: Awake,
        limits: Limits,
    ) -> Self {
        let events = events::Events::default();
        Self {
            shared: Arc::new(Shared {
                config,
                store,
                owner,
                events,
                limits,
                awake,
            }),
            registry: Registry::default(),
            drivers: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Ends what a crash left behind: kills CLIs that outlived their engine and marks their
    /// turns as interrupted. To be called before anything else.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<()> {
        recover::recover(&self.shared.store).await
    }

    /// Makes a session, and starts its CLI if there is a prompt. A CLI that cannot be started
    /// gives a session with status `FAILED` and the reason, not an error.
    ///
    /// # Errors
    /// `invalid` for a bad name or model, `limit_reached`, and those of [`ensure_owned`].
    pub async fn start(&self, workspace: &WorkspaceId, start: StartSession) -> Result<Session> {
        ensure_owned(&self.shared.store, &self.shared.owner, workspace).await?;
        let StartSession {
            prompt,
            name,
            model,
            permissions,
        } = start;
        let prompt = prompt.filter(|text| !text.trim().is_empty());
        check_prompt(prompt.as_deref())?;
        check_word("name", name.as_deref())?;
        check_word("model", model.as_deref())?;
        if prompt.is_some() && self.registry.list(Some(workspace)).len() >= LIVE_PER_WORKSPACE {
            return Err(registry::full());
        }
        let now = clock::now();
        let session = Session {
            id: SessionId::generate(),
            workspace_id: workspace.clone(),
            name,
            workflow: "followup".to_owned(),
            model,
            permissions: permissions.unwrap_or(self.shared.config.permissions),
            status: SessionStatus::Idle,
            activity: Activity::Idle,
            last_turn: None,
            error: None,
            provider_session_id: uuid::Uuid::new_v4().to_string(),
            created_at: now,
            updated_at: now,
        };
        self.shared.store.insert_session(&session).await?;
        self.shared.store.mark_had_sessions(workspace).await?;
        self.shared
            .events
            .send(workspace, Event::Status(Box::new(session.clone())));
        match prompt {
            Some(text) => self.give_prompt(&session, text).await,
            None => Ok(session),
        }
    }

    /// Gives the model a message; starts the CLI if it does not run. It is in the journal when
    /// this returns, and waits its turn if one runs.
    ///
    /// # Errors
    /// `invalid` for an empty message, `too_large` over 1 MiB, `limit_reached` when 100 wait or
    /// the workspace has no place for one more CLI, and those of [`ensure_owned`].
    pub async fn prompt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        prompt: Prompt,
    ) -> Result<Session> {
        let session = self.known(workspace, session).await?;
        if prompt.text.trim().is_empty() {
            return Err(Error::refused(ErrorCode::Invalid, "a message needs text"));
        }
        check_prompt(Some(&prompt.text))?;
        self.give_prompt(&session, prompt.text).await
    }

    /// Ends the turn that runs, if any, and returns when it has ended. A CLI that does not obey
    /// is killed. Messages that wait are sent afterwards.
    pub async fn interrupt(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        self.known(workspace, session).await?;
        self.to_live(workspace, session, |reply| Command::Interrupt { reply })
            .await
    }

    /// Ends the CLI with everything it started, and returns when all of it is gone. Messages
    /// that wait are not sent.
    pub async fn stop(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        self.known(workspace, session).await?;
        self.to_live(workspace, session, |reply| Command::Stop { reply })
            .await
    }

    /// Answers a permission request or question.
    ///
    /// # Errors
    /// `conflict` when it is answered already or its CLI has ended, `not_found` when the session
    /// never asked, `invalid` for a question allowed without answers.
    pub async fn answer(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        answer: Answer,
    ) -> Result<()> {
        self.known(workspace, session).await?;
        let gone = || permission::no_longer_open(&answer.request_id);
        let live = self.registry.get(session).ok_or_else(gone)?;
        let (reply, answered) = oneshot::channel();
        let command = Command::Answer {
            answer: answer.clone(),
            reply,
        };
        live.commands.send(command).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// What happens in the workspace's sessions from now on.
    pub fn subscribe(&self, workspace: &WorkspaceId) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe(workspace)
    }

    /// What works in the sessions, and what a stop would end.
    pub fn causes(&self) -> Causes {
        let mut causes = Causes::default();
        for (id, live) in self.registry.list(None) {
            live.load.borrow().causes(&id, &mut causes);
        }
        causes
    }

    /// The CLI processes that live: their number, and the session's name for people.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let live = self.registry.list(None);
        let process = |(id, live): &(SessionId, registry::Live)| {
            let load = live.load.borrow();
            Some((load.process?.0, load.label(id)))
        };
        live.iter().filter_map(process).collect()
    }

    /// Whether a turn, a background task or a waiting message is under way in the workspace.
    pub fn workspace_busy(&self, workspace: &WorkspaceId) -> bool {
        let live = self.registry.list(Some(workspace));
        live.iter().any(|(_, live)| live.load.borrow().is_busy())
    }

    /// Ends every CLI of the workspace, and what CLIs before left running. Once it is marked as
    /// moving, none starts again.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stop_workspace(&self, workspace: &WorkspaceId) -> Result<()> {
        let live = self.registry.list(Some(workspace));
        let stops = live
            .iter()
            .map(|(id, _)| self.to_live(workspace, id, |reply| Command::Stop { reply }));
        futures_util::future::try_join_all(stops).await?;
        for session in self.shared.store.sessions(workspace).await? {
            marked::kill(&session.id).await;
        }
        Ok(())
    }

    /// Returns when this core is stopping.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Ends all CLIs and starts none any more.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.drivers.close();
        if tokio::time::timeout(SHUTDOWN, self.drivers.wait())
            .await
            .is_err()
        {
            tracing::error!(left = self.drivers.len(), "sessions did not end in time");
        }
    }

    async fn known(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        self.shared.store.known_workspace(workspace).await?;
        let row = self.shared.store.session(workspace, session).await?;
        row.ok_or_else(|| unknown(session))
    }

    /// Asks a live session; one that does not live is as its row says.
    async fn to_live(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        command: impl Fn(Reply<Session>) -> Command,
    ) -> Result<Session> {
        for _ in 0..ATTEMPTS {
            let Some(live) = self.registry.get(session) else {
                break;
            };
            let (reply, answered) = oneshot::channel();
            if live.commands.send(command(reply)).await.is_err() {
                continue;
            }
            if let Ok(answer) = answered.await {
                return answer;
            }
        }
        self.known(workspace, session).await
    }

    /// A driver that ends just now drops what it was sent unseen; then the next one gets it.
    async fn give_prompt(&self, session: &Session, text: String) -> Result<Session> {
        for _ in 0..ATTEMPTS {
            let (live, seat) = self.registry.enter(&session.workspace_id, &session.id)?;
            let (reply, answered) = oneshot::channel();
            let command = Command::Prompt {
                text: text.clone(),
                reply,
            };
            match seat {
                Some(seat) => self.start_driver(seat, session, command).await?,
                None if live.commands.send(command).await.is_err() => continue,
                None => {}
            }
            if let Ok(answer) = answered.await {
                return answer;
            }
        }
        let detail = "the session ends again and again before it takes the message";
        Err(Error::refused(ErrorCode::Conflict, detail).hint("send the message again"))
    }

    async fn start_driver(&self, seat: Seat, session: &Session, first: Command) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(Error::refused(
                ErrorCode::ShuttingDown,
                "the engine is stopping",
            ));
        }
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let driver = Driver::new(seat, shared, stop, session).await?;
        self.drivers.spawn(driver.run(first));
        Ok(())
    }
}

fn unknown(session: &SessionId) -> Error {
    Error::refused(
        ErrorCode::NotFound,
        format!("there is no session {session} in this workspace"),
    )
    .hint("list them with `ff session list`")
}

fn check_prompt(text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if text.len() > LONGEST_PROMPT => {
            let detail = format!("a message has at most {LONGEST_PROMPT} bytes");
            Err(Error::refused(ErrorCode::TooLarge, detail)
                .hint("put the text into a file of the workspace and name it"))
        }
        _ => Ok(()),
    }
}

/// A name or model: short, on one line, and no option of the CLI.
pub(crate) fn check_word(what: &str, word: Option<&str>) -> Result<()> {
    let Some(word) = word else { return Ok(()) };
    let fits = !word.trim().is_empty() && word.chars().count() <= LONGEST_NAME;
    if fits && !word.starts_with('-') && !word.contains(char::is_control) {
        return Ok(());
    }
    let detail =
        format!("a session's {what} has 1 to {LONGEST_NAME} characters and starts with no `-`");
    Err(Error::refused(ErrorCode::Invalid, detail))
}

#[cfg(test)]
mod tests;
