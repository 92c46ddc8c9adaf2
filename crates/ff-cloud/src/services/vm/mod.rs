//! VMs and their life: made, woken, put to sleep, removed, and kept in line with what the
//! provider has.
//!
//! The row decides. Whoever wins the compare-and-swap into a transitional state drives the VM out
//! of it, in a task of the server that outlives the request; everyone else waits for the row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ff_protocol::limits::Limits;
use ff_protocol::vm::{Vm, VmState};
use ff_protocol::{ErrorCode, Page, UserId, VmId};
use tracing::Instrument;

use self::drivers::Drivers;
use crate::agent::{AgentLink, Endpoint};
use crate::compute::Provider;
use crate::db::Db;
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::identity::Identity;
use crate::lifecycle::Lifecycle;
use crate::{Error, Result, clock, telemetry};

mod bring_up;
mod create;
mod delete;
mod drivers;
mod failure;
mod health;
mod onboarding;
mod reconcile;
mod sleep;
pub mod state;
mod view;
mod wake;

/// Longest time a caller waits for a VM to be made or woken.
pub const WAIT: Duration = Duration::from_secs(110);
/// How often a waiter looks at the row by itself: another server may have changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time the programs in a VM get to end by themselves when it is stopped.
const STOP_GRACE: Duration = Duration::from_secs(10);
const PAGE: u64 = 200;

/// Makes, wakes, stops and removes VMs. Clones share it.
#[derive(Debug, Clone)]
pub struct VmService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    agents: AgentLink,
    provider: Arc<dyn Provider>,
    identity: Identity,
    image: String,
    limits: Limits,
    lifecycle: Lifecycle,
    drivers: Drivers,
    /// When a user last did something through this server, by VM; only of VMs that run.
    touched: Mutex<HashMap<VmId, Instant>>,
}

impl VmService {
    /// A service over the database and a provider; `image` is what new VMs are made from.
    pub fn new(
        db: Db,
        agents: AgentLink,
        provider: Arc<dyn Provider>,
        identity: Identity,
        image: String,
        limits: Limits,
        lifecycle: Lifecycle,
    ) -> Self {
        Self(Arc::new(Inner {
            db,
            agents,
            provider,
            identity,
            image,
            limits,
            lifecycle,
            drivers: Drivers::new(),
            touched: Mutex::default(),
        }))
    }

    /// Starts the reconciler, and the task that asks agents for their health and, with
    /// `idle_stop`, stops VMs in which nothing has worked for so long.
    pub fn start_tasks(&self, idle_stop: Option<Duration>) {
        let booted = clock::now();
        self.spawn(self.clone().reconcile_always(booted));
        self.spawn(self.clone().watch_health(idle_stop));
    }

    /// Whether the provider answers.
    pub async fn compute_answers(&self) -> bool {
        self.0.provider.ping().await.is_ok()
    }

    /// Ends the machines that must not outlive the server.
    pub async fn close(&self) {
        if let Err(error) = self.0.provider.close().await {
            tracing::warn!(%error, "machines of VMs may be left running");
        }
    }

    /// Live VMs of one user or of all, in the order of their ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, user: Option<&UserId>, after: Option<&VmId>) -> Result<Page<Vm>> {
        let mut rows = vms::list(self.0.db.read(), user, after, PAGE + 1).await?;
        let more = rows.len() as u64 > PAGE;
        rows.truncate(PAGE as usize);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone());
        let items = rows.iter().map(view::vm).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    /// A VM: of this user, or anyone's for `None`. Someone else's is not found.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn get(&self, id: &VmId, user: Option<&UserId>) -> Result<Vm> {
        let row = self.row(id).await?;
        if user.is_some_and(|user| user.as_str() != row.user_id) {
            return Err(Error::not_found("VM", id));
        }
        view::vm(&row)
    }

    /// Notes that a user did something in the VM, so that it is not stopped under their hands.
    pub fn note_activity(&self, id: &VmId) {
        self.touched().insert(id.clone(), Instant::now());
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
            self.0.drivers.changed();
        }
        Ok(moved)
    }

    /// Waits until something changed, at most until `until`.
    async fn change(
        &self,
        changes: &mut tokio::sync::watch::Receiver<u64>,
        until: Instant,
    ) -> Result<()> {
        let now = Instant::now();
        if now >= until {
            return Err(Error::refused(
                ErrorCode::Timeout,
                format!("the VM was not ready within {} s", WAIT.as_secs()),
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
        let work = async move {
            tokio::select! {
                () = work => {}
                () = hard.cancelled() => {}
            }
        };
        self.0.lifecycle.tasks.spawn(work.in_current_span());
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

    fn touched(&self) -> std::sync::MutexGuard<'_, HashMap<VmId, Instant>> {
        self.0
            .touched
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn stopping() -> Error {
    Error::refused(ErrorCode::ShuttingDown, "the server is stopping")
        .hint("try again when it is back")
}
