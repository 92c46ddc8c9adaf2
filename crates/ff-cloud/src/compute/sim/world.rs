//! What there is in a simulation: machines, homes, and what all agents say and serve.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use ff_protocol::VmId;
use ff_protocol::agent::Cause;

use crate::agent::AgentToken;

/// What every agent reports.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Causes that keep the VM awake.
    pub working: Vec<Cause>,
    /// How long nothing has worked, in seconds.
    pub quiet_seconds: i64,
    /// How often an agent was asked for its health.
    pub asked: usize,
}

/// A machine: an entry here and nothing else.
#[derive(Debug)]
pub struct SimMachine {
    pub(super) id: String,
    pub(super) image: String,
    pub(super) token: Option<AgentToken>,
    pub(super) running: Option<Running>,
    pub(super) exit_code: Option<i64>,
    pub(super) starts: u64,
}

/// A run of a machine.
#[derive(Debug, Clone)]
pub struct Running {
    pub(super) token: AgentToken,
    pub(super) since: Instant,
    /// From when on its agent answers, if ever.
    pub(super) answers: Option<Instant>,
    pub(super) base_url: String,
}

impl Running {
    /// Whether its agent answers by now.
    pub fn is_up(&self) -> bool {
        self.answers.is_some_and(|at| at <= Instant::now())
    }
}

/// The simulation; clones share it.
#[derive(Debug, Clone, Default)]
pub struct World {
    machines: Arc<Mutex<HashMap<VmId, SimMachine>>>,
    homes: Arc<Mutex<HashSet<VmId>>>,
    pub(super) work: Arc<Mutex<Work>>,
    pub(super) engine: Arc<Mutex<Router>>,
}

impl World {
    pub(super) fn machines(&self) -> MutexGuard<'_, HashMap<VmId, SimMachine>> {
        lock(&self.machines)
    }

    pub(super) fn homes(&self) -> MutexGuard<'_, HashSet<VmId>> {
        lock(&self.homes)
    }

    /// The run of a machine, if it is the one of this start and its agent answers.
    pub(super) fn running(&self, vm: &VmId, start: u64) -> Option<Running> {
        let machines = self.machines();
        let machine = machines.get(vm).filter(|found| found.starts == start)?;
        machine.running.clone().filter(Running::is_up)
    }

    pub(super) fn ask_for_work(&self) -> Work {
        let mut work = lock(&self.work);
        work.asked += 1;
        work.clone()
    }

    pub(super) fn engine(&self) -> Router {
        lock(&self.engine).clone()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
