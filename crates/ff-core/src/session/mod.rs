//! Sessions: conversations with the Claude CLI, one process each at most.
//!
//! [`Sessions`] finds or starts the driver of a session and hands it the request; the driver
//! owns the process and the row (see `driver`).

pub mod account;
mod calls;
mod check;
mod decision;
mod delivery;
mod doors;
mod driver;
mod ending;
mod exit;
mod load;
pub(crate) mod login;
mod permission;
mod process;
mod protocol;
mod recover;
mod registry;
pub mod transcript;
mod turn;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_protocol::session::{Activity, Prompt, Session, SessionStatus, StartSession};
use ff_protocol::workspace::{Owner, WorkspaceStatus};
use ff_protocol::{ClientId, SessionId, WorkspaceId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::account::Account;
use self::check::check_prompt;
pub(crate) use self::check::check_word;
use self::doors::Doors;
use self::driver::{Command, Limits, Shared};
pub(crate) use self::exit::describe as exit_of;
pub use self::load::Causes;
use self::registry::Registry;
use crate::activity::Awake;
use crate::clock;
use crate::config::CoreConfig;
use crate::error::Result;
use crate::processes::{mark, marked};
pub use crate::store::{Event, Partial, Watch};
use crate::store::{Store, Write};
use crate::workspace::{ensure_ours, owned};

const SHUTDOWN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Interrupts whose ids are remembered.
const INTERRUPTS: usize = 1024;

/// The CLI's version that all of this was tested with.
const TESTED_CLI: &str = "2.1.330";

/// All sessions of a core. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
    registry: Registry,
    drivers: TaskTracker,
    stop: CancellationToken,
    interrupts: Arc<Mutex<VecDeque<ClientId>>>,
}

impl Sessions {
    /// Sessions on these records, acted on as `owner`, whose deadlines move by the time that
    /// `awake` lost. Starts to keep their login, and no session.
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
        let (account, keeping) = Account::start(&config.claude, &config.home, awake.clone());
        Self {
            shared: Arc::new(Shared {
                config,
                store,
                owner,
                offers: Mutex::default(),
                doors: Doors::default(),
                limits,
                awake,
                account,
                keeping,
            }),
            registry: Registry::default(),
            drivers: TaskTracker::new(),
            stop: CancellationToken::new(),
            interrupts: Arc::default(),
        }
    }

    /// Ends what a crash left behind: kills CLIs that outlived their engine, and marks their turns
    /// as interrupted unless the transcript shows that they ended. To be called before anything
    /// else.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<()> {
        recover::recover(&self.shared).await
    }

    /// Sends the messages that no CLI ever had, unless they wait for the user. For an engine that
    /// stays.
    ///
    /// # Errors
    /// The store failed.
    pub async fn go_on(&self) -> Result<()> {
        let store = &self.shared.store;
        for id in store.sessions_with_queue().await? {
            let Some(session) = store.session_anywhere(&id).await? else {
                continue;
            };
            let workspace = store.known_workspace(&session.workspace_id).await?;
            let ours = ensure_ours(&workspace, &self.shared.owner).is_ok();
            if session.held || !ours || workspace.status != WorkspaceStatus::Ready {
                continue;
            }
            let sent = self
                .to_driver(&session.workspace_id, &id, Command::Wake)
                .await;
            if let Err(error) = sent {
                tracing::warn!(session = %id, %error, "messages of the session go on waiting");
                self.hold(session).await?;
            }
        }
        Ok(())
    }

    /// The session that was started with this first message before.
    async fn started(
        &self,
        workspace: &WorkspaceId,
        id: Option<&ClientId>,
        prompt: Option<&str>,
    ) -> Result<Option<Session>> {
        let (Some(id), Some(prompt)) = (id, prompt) else {
            return Ok(None);
        };
        let Some(known) = self.shared.store.message(workspace, id).await? else {
            return Ok(None);
        };
        driver::is_known(Some(&known), &known.session, prompt)?;
        self.shared.store.session(workspace, &known.session).await
    }

    /// Has messages in a workspace wait, whichever session they are for.
    pub(crate) fn close_door(&self, workspace: &WorkspaceId) {
        self.shared.doors.close(workspace);
    }

    /// The opposite of [`Self::close_door`]; [`Self::go_on_in`] then lets messages go.
    pub(crate) fn open_door(&self, workspace: &WorkspaceId) {
        self.shared.doors.open(workspace);
    }

    /// Sends the messages that wait in a workspace, unless they wait for the user.
    pub(crate) async fn go_on_in(&self, workspace: &WorkspaceId) -> Result<()> {
        for session in self.shared.store.sessions(workspace).await? {
            if session.queued > 0 && !session.held {
                self.to_driver(workspace, &session.id, Command::Wake)
                    .await?;
            }
        }
        Ok(())
    }

    /// Has the messages that wait in a workspace wait for the user to resume their session.
    pub(crate) async fn hold_in(&self, workspace: &WorkspaceId) -> Result<()> {
        for session in self.shared.store.sessions(workspace).await? {
            let live = self.registry.get(&session.id).is_some();
            if session.queued > 0 && !session.held && !live {
                let activity = Activity::Idle;
                self.hold(Session {
                    activity,
                    ..session
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn hold(&self, mut session: Session) -> Result<()> {
        session.held = true;
        let row = Write::default().and_session(&session);
        self.shared.store.write(row).await.map(drop)
    }

    /// Makes a session, and starts its CLI if there is a prompt. A CLI that cannot be started
    /// gives a session with status `FAILED` and the reason, not an error.
    ///
    /// # Errors
    /// `invalid` for a bad name or model, `limit_reached`, `not_owner`, `handoff_active`.
    pub async fn start(&self, workspace: &WorkspaceId, start: StartSession) -> Result<Session> {
        owned(&self.shared.store, &self.shared.owner, workspace).await?;
        let StartSession {
            prompt,
            name,
            model,
            permissions,
            permission_mode,
            thinking_tokens,
            prompt_id,
            fork_of,
        } = start;
        let prompt = prompt.filter(|text| !text.trim().is_empty());
        check_prompt(prompt.as_deref())?;
        check_word("name", name.as_deref())?;
        check_word("model", model.as_deref())?;
        if let Some(source) = &fork_of {
            self.known(workspace, source).await?;
        }
        if let Some(known) = self
            .started(workspace, prompt_id.as_ref(), prompt.as_deref())
            .await?
        {
            return Ok(known);
        }
        if prompt.is_some() {
            let most = self.shared.config.live_sessions;
            self.registry.check_place(workspace, most)?;
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
            permission_mode,
            thinking_tokens,
            fork_of,
            queued: 0,
            held: false,
            login_required: None,
            total_cost_usd: None,
            warning: None,
            closed_at: None,
            created_at: now,
            updated_at: now,
        };
        self.shared.store.insert_session(&session).await?;
        self.shared.store.mark_had_sessions(workspace).await?;
        self.shared.store.feed().status(&session);
        match prompt {
            Some(text) => {
                let prompt = Prompt {
                    text,
                    id: prompt_id,
                };
                self.give_prompt(&session, prompt).await
            }
            None => Ok(session),
        }
    }

    /// What happens in the workspace's sessions from now on.
    pub fn watch(&self, workspace: &WorkspaceId) -> Watch {
        self.shared.store.feed().watch(workspace)
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
        let stops = live.iter().map(|(id, _)| {
            let close = false;
            self.to_live(id, move |reply| Command::Stop { close, reply })
        });
        futures_util::future::try_join_all(stops).await?;
        for session in self.shared.store.sessions(workspace).await? {
            marked::kill(marked::SESSION, session.id.as_str()).await;
        }
        Ok(())
    }

    /// As [`Self::stop_workspace`], but messages that wait stay in their queues: the workspace is
    /// marked as moving, and they go with it.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn leave_workspace(&self, workspace: &WorkspaceId) -> Result<()> {
        // While it is closed no driver starts another CLI for what waits.
        self.close_door(workspace);
        let left = self.leave_behind(workspace).await;
        self.open_door(workspace);
        left
    }

    async fn leave_behind(&self, workspace: &WorkspaceId) -> Result<()> {
        let live = self.registry.list(Some(workspace));
        let leaving = live
            .iter()
            .map(|(id, _)| self.to_live(id, |reply| Command::Leave { reply }));
        futures_util::future::try_join_all(leaving).await?;
        let gone = async {
            while !self.registry.list(Some(workspace)).is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(SHUTDOWN, gone).await.is_err() {
            tracing::error!(%workspace, "its sessions did not end in time");
        }
        for session in self.shared.store.sessions(workspace).await? {
            marked::kill(marked::SESSION, session.id.as_str()).await;
        }
        Ok(())
    }

    /// Whether a session has a CLI: in this process, or in another one that its row names.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn lives(&self, session: &Session) -> Result<bool> {
        if self.registry.get(&session.id).is_some() {
            return Ok(true);
        }
        if session.status != SessionStatus::Running {
            return Ok(false);
        }
        let process = self.shared.store.process(&session.id).await?;
        Ok(process.is_some_and(|process| mark::of(process.pid).as_ref() == Some(&process)))
    }

    /// The login that all of them share.
    pub fn account(&self) -> &Account {
        &self.shared.account
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
        self.shared.keeping.abort();
    }
}

#[cfg(test)]
pub(crate) mod tests;
