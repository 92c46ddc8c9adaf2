//! VMs and their life: made, woken, put to sleep, removed, and kept in line with what the
//! provider has.
//!
//! The row decides. Whoever wins the compare-and-swap into a transitional state drives the VM out
//! of it, in a task of the server that outlives the request; everyone else waits for the row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ff_protocol::vm::VmState;
use ff_protocol::{ErrorCode, VmId};
use tokio::sync::{Notify, Semaphore, oneshot};
use tracing::Instrument;

use self::drivers::Drivers;
use self::live::Live;
use self::newcomers::Newcomers;
use self::pool::PoolState;
use self::standing::Watchers;
use self::upgrade::Images;
use crate::agent::{AgentLink, Endpoint};
use crate::compute::Provider;
use crate::db::Db;
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::identity::Identity;
use crate::lifecycle::Lifecycle;
use crate::{Error, Result, clock, telemetry};

mod action;
mod activity;
mod bring_up;
mod create;
mod delete;
mod differences;
mod drivers;
mod failure;
mod idle;
mod leases;
mod limits;
mod live;
mod mend;
mod newcomers;
mod pool;
mod reconcile;
mod restart;
mod settings;
mod show;
mod sleep;
mod standing;
pub mod state;
mod upgrade;
mod view;
mod wake;
mod watch;

pub use activity::Idle;
pub use differences::{Difference, Kind};
pub use settings::{PoolSettings, Settings};
pub use standing::{Moves, Standing};
pub(crate) use wake::suspended;

/// Longest time a driver may take where its state has no limit of its own.
const DRIVER: Duration = Duration::from_secs(100);
/// Longest wait for a short call to an agent.
const AGENT_CALL: Duration = Duration::from_secs(5);
/// How often a waiter looks at the row by itself: another server may have changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time the programs in a VM get to end by themselves when it is stopped.
const STOP_GRACE: Duration = Duration::from_secs(10);
const PAGE: u64 = 200;
/// VMs that come up at a time because somebody waits for them.
const WANTED_NOW: usize = 64;
/// Others that come up at a time: restarts, and VMs for the pool.
const WANTED_SOON: usize = 8;

/// Why a VM woke, in its account: somebody wanted something of it.
const USER: &str = "user";
/// Something was scheduled in it.
const SCHEDULE: &str = "schedule";
/// It had ended by itself.
const RESTART: &str = "restart";

/// Makes, wakes, stops and removes VMs. Clones share it.
#[derive(Debug, Clone)]
pub struct VmService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    agents: AgentLink,
    provider: Arc<dyn Provider>,
    identity: Identity,
    settings: Settings,
    lifecycle: Lifecycle,
    drivers: Drivers,
    watchers: Watchers,
    live: Live,
    newcomers: Newcomers,
    pool: PoolState,
    images: Images,
    /// Asks for a pass of the reconciler.
    kick: Notify,
    /// Turns of VMs that come up because somebody waits for them.
    wanted_now: Semaphore,
    /// Turns of all others: after a crash of the host they are many.
    wanted_soon: Semaphore,
}

impl VmService {
    /// A service over the database and a provider.
    pub fn new(
        db: Db,
        agents: AgentLink,
        provider: Arc<dyn Provider>,
        identity: Identity,
        settings: Settings,
        lifecycle: Lifecycle,
    ) -> Self {
        Self(Arc::new(Inner {
            db,
            agents,
            provider,
            identity,
            settings,
            lifecycle,
            drivers: Drivers::new(),
            watchers: Watchers::default(),
            live: Live::default(),
            newcomers: Newcomers::default(),
            pool: PoolState::default(),
            images: Images::default(),
            kick: Notify::new(),
            wanted_now: Semaphore::new(WANTED_NOW),
            wanted_soon: Semaphore::new(WANTED_SOON),
        }))
    }

    /// Starts the reconciler, what follows the provider's events, the pool's keeper, and the task
    /// that puts idle VMs to sleep.
    pub fn start_tasks(&self) {
        let booted = clock::now();
        self.spawn(self.clone().reconcile_always(booted));
        self.spawn(self.clone().follow_events(booted));
        self.spawn(self.clone().keep_pool());
        self.spawn(self.clone().watch_idle());
        self.0.pool.kick();
    }

    /// Asks for a pass of the reconciler now.
    pub fn reconcile_soon(&self) {
        self.0.kick.notify_one();
    }

    /// Whether the provider answers.
    pub async fn compute_answers(&self) -> bool {
        self.0.provider.ping().await.is_ok()
    }

    /// How the provider names a VM's home.
    pub fn home_name(&self, id: &VmId) -> String {
        self.0.provider.home_name(id)
    }

    /// Ends the machines that must not outlive the server.
    pub async fn close(&self) {
        if let Err(error) = self.0.provider.close().await {
            tracing::warn!(%error, "machines of VMs may be left running");
        }
    }

    /// Notes that a user did something in the VM, so that it is not stopped under their hands.
    pub fn note_activity(&self, id: &VmId) {
        self.0.live.touch(id);
    }

    async fn row(&self, id: &VmId) -> Result<Model> {
        telemetry::note_vm(id);
        vms::get(self.0.db.read(), id)
            .await?
            .filter(|row| VmState::from(row.state) != VmState::Terminated)
            .ok_or_else(|| Error::not_found("VM", id))
    }

    /// Moves a VM on if it still is where `row` saw it; says whether it moved.
    async fn transition(&self, row: &Model, to: VmState, change: Change) -> Result<bool> {
        let (id, from) = (view::id(row)?, VmState::from(row.state));
        self.transition_from(&id, from, to, change).await
    }

    async fn transition_from(
        &self,
        id: &VmId,
        from: VmState,
        to: VmState,
        change: Change,
    ) -> Result<bool> {
        if !state::allowed(from, to) {
            return Err(Error::Bug(format!(
                "VM {id} cannot go from {from:?} to {to:?}"
            )));
        }
        let deadline = state::limit(to).map(|limit| clock::now() + limit);
        let change = Change { deadline, ..change };
        let reason = change
            .reason
            .clone()
            .map(|(code, text)| format!("{code}: {text}"));
        let moved = vms::transition(self.0.db.write(), id, from, to, change).await?;
        if moved {
            tracing::info!(vm = %id, ?from, ?to, reason, "VM moved");
            self.0.watchers.moved(id);
            self.after_move(id, from, to).await?;
            self.0.drivers.changed();
        }
        Ok(moved)
    }

    /// What follows a move: a VM that runs is heard, one that does not any more is not, and the
    /// pool makes up for what it lost.
    async fn after_move(&self, id: &VmId, from: VmState, to: VmState) -> Result<()> {
        match to {
            VmState::Running => {
                if let Some(row) = vms::get(self.0.db.write(), id).await? {
                    self.watch(&row)?;
                }
            }
            VmState::Stopped | VmState::Failed | VmState::Terminating => self.0.live.end(id),
            VmState::Pooled => self.0.pool.kick(),
            _ => {}
        }
        if from == VmState::Pooled {
            self.0.pool.kick();
        }
        Ok(())
    }

    /// Waits until something changed, at most until `until`.
    async fn change(
        &self,
        changes: &mut tokio::sync::watch::Receiver<u64>,
        until: Instant,
        state: VmState,
    ) -> Result<()> {
        let now = Instant::now();
        if now >= until {
            return Err(Error::refused(
                ErrorCode::Timeout,
                format!(
                    "the VM is {} and was not ready within {} s; nothing was done",
                    view::word(state),
                    self.0.settings.wait.as_secs()
                ),
            )
            .hint("it may still come up: look with GET /api/vms"));
        }
        let pause = LOOK_AGAIN.min(until - now);
        tokio::select! {
            _ = changes.changed() => Ok(()),
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.0.lifecycle.soft.cancelled() => Err(stopping()),
        }
    }

    /// Runs a task of the server; the hard end of the server cuts it off.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let hard = self.0.lifecycle.hard.clone();
        // In a box, because the task would hold its size twice, for each VM.
        let mut work = Box::pin(work);
        let work = async move {
            tokio::select! {
                () = &mut work => {}
                () = hard.cancelled() => {}
            }
        };
        self.0.lifecycle.tasks.spawn(work.in_current_span());
    }

    /// Does something as a task of the server and waits for it: who asked may go away in the
    /// middle, and what was begun is brought to its end all the same.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            // Nobody may be left to be told.
            let _ = tell.send(work.await);
        });
        told.await.unwrap_or_else(|_| Err(stopping()))
    }

    fn refuse_when_stopping(&self) -> Result<()> {
        match self.0.lifecycle.soft.is_cancelled() {
            true => Err(stopping()),
            false => Ok(()),
        }
    }

    fn endpoint(&self, row: &Model) -> Result<Endpoint> {
        let generation = u64::try_from(row.token_generation)
            .map_err(|_| Error::Bug(format!("VM {} has a damaged token generation", row.id)))?;
        let token = self.0.identity.agent_token(&view::id(row)?, generation);
        view::endpoint(row, token)
    }
}

fn stopping() -> Error {
    Error::refused(ErrorCode::ShuttingDown, "the server is stopping")
        .hint("try again when it is back")
}
