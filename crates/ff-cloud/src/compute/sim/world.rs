//! What there is in a simulation: machines, homes, and what all agents say and serve.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use ff_protocol::VmId;
use ff_protocol::limits::Limits;
use tokio::sync::{broadcast, watch};

use super::work::Works;
use crate::agent::AgentToken;

/// Most lines that a machine's log holds.
const LOG_LINES: usize = 100;
/// Most events that a watcher may be behind; of more it misses the oldest.
const EVENTS: usize = 1024;

/// A machine: an entry here and nothing else.
#[derive(Debug)]
pub struct SimMachine {
    pub(super) id: String,
    pub(super) made: Made,
    pub(super) token: Option<AgentToken>,
    pub(super) running: Option<Running>,
    pub(super) exit_code: Option<i64>,
    pub(super) out_of_memory: bool,
    pub(super) starts: u64,
    log: VecDeque<String>,
}

/// What a machine was made from, and what it may use now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The image as it was given: a name or an id.
    pub image: String,
    /// Id of the image.
    pub image_id: String,
    /// The limits in force.
    pub limits: Limits,
}

impl SimMachine {
    pub(super) fn new(id: String, made: Made) -> Self {
        Self {
            id,
            made,
            token: None,
            running: None,
            exit_code: None,
            out_of_memory: false,
            starts: 0,
            log: VecDeque::new(),
        }
    }

    /// Writes a line into the machine's log.
    pub(super) fn say(&mut self, line: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// The last lines of the log, oldest first.
    pub(super) fn log(&self, lines: usize) -> Vec<String> {
        let skipped = self.log.len().saturating_sub(lines);
        self.log.iter().skip(skipped).cloned().collect()
    }

    /// Ends its run, if it has one.
    pub(super) fn end(&mut self, exit_code: i64, out_of_memory: bool) -> bool {
        let ran = self.running.take().is_some();
        if ran {
            self.exit_code = Some(exit_code);
            self.out_of_memory = out_of_memory;
            self.say(format!("the agent has ended with exit code {exit_code}"));
        }
        ran
    }
}

/// A run of a machine.
#[derive(Debug)]
pub struct Running {
    pub(super) token: AgentToken,
    pub(super) since: Instant,
    /// From when on its agent answers, if ever.
    pub(super) answers: Option<Instant>,
    pub(super) base_url: String,
    /// Whether it gets no CPU; its receivers learn the end of the run when this is dropped.
    pub(super) frozen: watch::Sender<bool>,
    pub(super) quiesce: Option<InForce>,
}

/// A quiesce that an agent has agreed to.
#[derive(Debug, Clone)]
pub struct InForce {
    pub(super) id: String,
    pub(super) until: Instant,
}

impl Running {
    /// Whether its agent answers by now, or would if it were not frozen.
    pub fn is_up(&self) -> bool {
        self.answers.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it gets no CPU.
    pub fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }

    /// Id of the quiesce in force.
    pub fn quiesced(&self) -> Option<&str> {
        let found = self.quiesce.as_ref()?;
        (found.until > Instant::now()).then_some(&found.id)
    }
}

/// The images there are, by name; others have an id made from the name.
#[derive(Debug, Default)]
pub struct Images {
    pub(super) ids: HashMap<String, String>,
    /// Images (ids) whose agents never come up.
    pub(super) bad: HashSet<String>,
    /// Images (ids) that are gone.
    pub(super) lost: HashSet<String>,
    /// What was to be kept last.
    pub(super) kept: Vec<String>,
}

impl Images {
    /// Id of the image with this name or id, if it is there.
    pub(super) fn id_of(&self, image: &str) -> Option<String> {
        let id = match self.ids.get(image) {
            Some(id) => id.clone(),
            None if image.starts_with("sha-") || self.ids.values().any(|id| id == image) => {
                image.to_owned()
            }
            None => format!("sha-{image}"),
        };
        (!self.lost.contains(&id)).then_some(id)
    }
}

/// The simulation; clones share it.
#[derive(Debug, Clone)]
pub struct World {
    machines: Arc<Mutex<HashMap<VmId, SimMachine>>>,
    homes: Arc<Mutex<HashSet<VmId>>>,
    images: Arc<Mutex<Images>>,
    events: Arc<Mutex<broadcast::Sender<VmId>>>,
    pub(super) works: Works,
    pub(super) engine: Arc<Mutex<Router>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            machines: Arc::default(),
            homes: Arc::default(),
            images: Arc::default(),
            events: Arc::new(Mutex::new(broadcast::Sender::new(EVENTS))),
            works: Works::default(),
            engine: Arc::default(),
        }
    }
}

impl World {
    pub(super) fn machines(&self) -> MutexGuard<'_, HashMap<VmId, SimMachine>> {
        lock(&self.machines)
    }

    pub(super) fn homes(&self) -> MutexGuard<'_, HashSet<VmId>> {
        lock(&self.homes)
    }

    pub(super) fn images(&self) -> MutexGuard<'_, Images> {
        lock(&self.images)
    }

    /// Does something with the run of a machine, if it is the one of this start and its agent is
    /// up, be it frozen.
    pub(super) fn with_run<T>(
        &self,
        vm: &VmId,
        start: u64,
        work: impl FnOnce(&mut Running) -> T,
    ) -> Option<T> {
        let mut machines = self.machines();
        let machine = machines.get_mut(vm).filter(|found| found.starts == start)?;
        machine.running.as_mut().filter(|run| run.is_up()).map(work)
    }

    pub(super) fn engine(&self) -> Router {
        lock(&self.engine).clone()
    }

    /// Tells those who watch that the VM's machine or home changed.
    pub(super) fn tell(&self, vm: &VmId) {
        // Nobody may be watching.
        let _ = lock(&self.events).send(vm.clone());
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<VmId> {
        lock(&self.events).subscribe()
    }

    /// Ends the streams of all who watch.
    pub(super) fn break_watches(&self) {
        *lock(&self.events) = broadcast::Sender::new(EVENTS);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
