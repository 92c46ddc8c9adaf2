//! The whole state of one machine.

use std::sync::Arc;
use std::time::Duration;

use ff_protocol::DesktopId;
use ff_protocol::agent::Cause;
use ff_protocol::workspace::Owner;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::activity::{Awake, Permits, Schedule};
use crate::config::CoreConfig;
use crate::error::{IoContext, Result};
use crate::git::Git;
use crate::github::GitHub;
use crate::handoff::{Lanes, Turns};
use crate::onboarding;
use crate::pull_request::Wanted;
use crate::session::Sessions;
use crate::store::Store;
use crate::terminal::Terminals;
use crate::workspace::{Lives, RunScripts};

/// What is done to workspaces gets this long at the end.
const LAST_STEPS: Duration = Duration::from_secs(3);

/// Projects, workspaces, sessions and terminals of one machine. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    inner: Arc<Inner>,
}

struct Inner {
    config: CoreConfig,
    store: Store,
    git: Git,
    github: GitHub,
    owner: Owner,
    sessions: Sessions,
    terminals: Terminals,
    arrivals: Semaphore,
    turns: Turns,
    lanes: Lanes,
    tasks: TaskTracker,
    lives: Lives,
    runs: RunScripts,
    stopping: CancellationToken,
    wanted: Wanted,
    permits: Permits,
    schedule: Schedule,
    awake: Awake,
    watch: onboarding::Watch,
    _ticking: AbortOnDropHandle<()>,
}

impl Core {
    /// Opens the store (made if it is not there). The one process that runs sessions on it then
    /// calls [`Core::recover`]; others may open it at the same time.
    ///
    /// # Errors
    /// A directory or the database cannot be made or read.
    pub async fn open(config: CoreConfig) -> Result<Self> {
        for dir in [&config.data_dir, &config.base_dir] {
            private_dir(dir)?;
        }
        let store = Store::open(&config.data_dir.join("core.db")).await?;
        let desktop_id: DesktopId = store.installation_id().await?;
        let owner = config.side.owner(desktop_id);
        let (awake, ticking) = Awake::start();
        let sessions = Sessions::new(config.clone(), store.clone(), owner.clone(), awake.clone());
        let inner = Inner {
            git: Git::new(&config.home),
            github: GitHub::new(&config, awake.clone()),
            terminals: Terminals::new(&config.home, config.terminals),
            arrivals: Semaphore::new(1),
            turns: Turns::default(),
            lanes: Lanes::default(),
            tasks: TaskTracker::new(),
            lives: Lives::default(),
            runs: RunScripts::default(),
            stopping: CancellationToken::new(),
            wanted: Wanted::default(),
            permits: Permits::default(),
            schedule: Schedule::default(),
            awake,
            watch: onboarding::Watch::default(),
            _ticking: ticking,
            sessions,
            store,
            owner,
            config,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Ends what a process that is gone left behind: CLIs, scripts, workspaces half-way. For the
    /// one process that runs sessions.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover(&self) -> Result<()> {
        self.inner.sessions.recover().await?;
        self.recover_workspaces().await?;
        self.look_after_copies().await
    }

    /// Settings it was opened with.
    pub fn config(&self) -> &CoreConfig {
        &self.inner.config
    }

    /// Its records.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The owner this core acts as.
    pub fn owner(&self) -> &Owner {
        &self.inner.owner
    }

    /// Its sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Its terminals.
    pub fn terminals(&self) -> &Terminals {
        &self.inner.terminals
    }

    /// The gate before everything that changes something. The desktop never closes it.
    pub fn permits(&self) -> &Permits {
        &self.inner.permits
    }

    /// When it has planned work.
    pub fn schedule(&self) -> &Schedule {
        &self.inner.schedule
    }

    /// How long the machine was frozen since it was opened.
    pub fn awake(&self) -> &Awake {
        &self.inner.awake
    }

    /// GitHub, with the login of its user.
    pub fn github(&self) -> &GitHub {
        &self.inner.github
    }

    pub(crate) fn git(&self) -> &Git {
        &self.inner.git
    }

    /// Workspaces are made ready to arrive one at a time: two may share a clone.
    pub(crate) fn arrivals(&self) -> &Semaphore {
        &self.inner.arrivals
    }

    pub(crate) fn watch(&self) -> &onboarding::Watch {
        &self.inner.watch
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.inner.lanes
    }

    /// What makes and puts away workspaces just now: it works.
    pub fn workspace_causes(&self) -> Vec<Cause> {
        self.inner.lives.causes()
    }

    /// The run scripts that run: they hold.
    pub fn run_script_causes(&self) -> Vec<Cause> {
        self.inner.runs.causes()
    }

    pub(crate) fn lives(&self) -> &Lives {
        &self.inner.lives
    }

    pub(crate) fn runs(&self) -> &RunScripts {
        &self.inner.runs
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Cancelled when it ends: what goes on by itself goes on no more.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Workspaces whose pull request is to be looked at soon.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.inner.wanted
    }

    /// Ends sessions, scripts and terminals with everything they started, and what goes on by
    /// itself.
    pub async fn shutdown(&self) {
        self.inner.stopping.cancel();
        self.inner.lives.shut_down();
        self.inner.sessions.shutdown().await;
        self.inner.terminals.shutdown().await;
        self.inner.tasks.close();
        if tokio::time::timeout(LAST_STEPS, self.inner.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("work on a workspace did not end in time; it is taken up again later");
        }
    }
}

/// Makes a directory that only its user can enter.
pub(crate) fn private_dir(dir: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .context(|| format!("cannot make the directory {}", dir.display()))
}
