//! Machines in memory, for tests and for scale. Nothing runs in them: a machine is an entry in a
//! map, and one listener plays the agents of all. They take as long, and fail as often, as told;
//! all is gone with the server, homes too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use ff_protocol::VmId;
use tokio::sync::OnceCell;

use self::agent::Listener;
use self::world::{Running, SimMachine, World, lock};
use super::{Answer, ComputeError, Machine, Power, Provider, Spec};
use crate::agent::AgentToken;

mod agent;
mod world;

pub use world::Work;

/// How messages name it.
const PROVIDER: &str = "the simulation";
/// Exit code of a machine that ended by itself.
const ENDED_BY_ITSELF: i64 = 3;
/// Exit code of an agent that finds no token.
const NO_TOKEN: i64 = 1;

/// What a provider is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `ensure_home`, `home_exists`, `remove_home`.
    Home,
    /// `create`.
    Create,
    /// `write_token`.
    Token,
    /// `start`.
    Start,
    /// From a start until the agent answers; cannot fail.
    Boot,
    /// `stop`.
    Stop,
    /// `remove`.
    Remove,
    /// `inspect`, `list`.
    Look,
}

/// How a step goes.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    takes: Duration,
    failures: u32,
}

/// The provider, with switches for what can go wrong.
#[derive(Debug, Default)]
pub struct SimProvider {
    world: World,
    listener: OnceCell<Listener>,
    manners: Mutex<HashMap<Step, Manner>>,
    /// It does not answer.
    pub down: AtomicBool,
    /// The image is not there.
    pub no_image: AtomicBool,
    /// What starts ends at once, with exit code 3.
    pub dies: AtomicBool,
    /// What starts never gets an address.
    pub hangs: AtomicBool,
    /// Machines made so far.
    pub created: AtomicUsize,
    /// Starts so far.
    pub started: AtomicUsize,
    /// Stops so far.
    pub stopped: AtomicUsize,
    /// What every agent reports.
    pub work: Arc<Mutex<Work>>,
    /// What else every agent serves.
    pub engine: Arc<Mutex<Router>>,
}

impl SimProvider {
    /// A provider without machines, in which every step succeeds at once.
    pub fn new() -> Self {
        let world = World::default();
        Self {
            work: world.work.clone(),
            engine: world.engine.clone(),
            world,
            ..Self::default()
        }
    }

    /// Makes a step take this long from now on.
    pub fn slow(&self, step: Step, takes: Duration) {
        lock(&self.manners).entry(step).or_default().takes = takes;
    }

    /// Makes the next `times` of a step fail, with no effect.
    pub fn fail(&self, step: Step, times: u32) {
        lock(&self.manners).entry(step).or_default().failures = times;
    }

    /// How many machines there are.
    pub fn machines(&self) -> usize {
        self.world.machines().len()
    }

    /// How many homes there are.
    pub fn homes(&self) -> usize {
        self.world.homes().len()
    }

    /// A home is lost.
    pub fn lose_home(&self, vm: &VmId) {
        self.world.homes().remove(vm);
    }

    /// A machine is lost.
    pub fn lose_machine(&self, vm: &VmId) {
        self.world.machines().remove(vm);
    }

    /// The machine ends by itself, if there is one.
    pub fn kill(&self, vm: &VmId) {
        if let Some(machine) = self.world.machines().get_mut(vm) {
            machine.running = None;
            machine.exit_code = Some(ENDED_BY_ITSELF);
        }
    }

    /// Begins a step: takes its time, and fails if it is to fail.
    async fn step(&self, step: Step, action: &'static str) -> Result<(), ComputeError> {
        if self.down.load(SeqCst) {
            return Err(ComputeError::Unavailable(format!(
                "{PROVIDER} does not answer: the socket is not there"
            )));
        }
        let manner = {
            let mut manners = lock(&self.manners);
            let manner = manners.entry(step).or_default();
            let now = *manner;
            manner.failures = now.failures.saturating_sub(1);
            now
        };
        if !manner.takes.is_zero() {
            tokio::time::sleep(manner.takes).await;
        }
        match manner.failures {
            0 => Ok(()),
            _ => Err(failed(action, "it was told to fail")),
        }
    }

    fn takes(&self, step: Step) -> Duration {
        lock(&self.manners)
            .get(&step)
            .copied()
            .unwrap_or_default()
            .takes
    }

    async fn listener(&self) -> Result<&Listener, ComputeError> {
        self.listener
            .get_or_try_init(|| Listener::open(self.world.clone()))
            .await
            .map_err(|error| failed("listen for its agents", &error.to_string()))
    }

    fn run(&self, vm: &VmId, listener: &Listener) -> Result<(), ComputeError> {
        let mut machines = self.world.machines();
        let machine = machines
            .get_mut(vm)
            .ok_or_else(|| ComputeError::MachineMissing(vm.clone()))?;
        if machine.running.is_some() {
            return Ok(());
        }
        machine.starts += 1;
        // An agent reads its token once.
        let token = machine.token.take();
        machine.exit_code = match &token {
            None => Some(NO_TOKEN),
            Some(_) if self.dies.load(SeqCst) => Some(ENDED_BY_ITSELF),
            Some(_) => None,
        };
        if let (Some(token), None) = (token, machine.exit_code) {
            let since = Instant::now();
            let hangs = self.hangs.load(SeqCst);
            machine.running = Some(Running {
                token,
                since,
                answers: (!hangs).then(|| since + self.takes(Step::Boot)),
                base_url: listener.base_url(vm, machine.starts),
            });
        }
        Ok(())
    }
}

fn failed(action: &'static str, message: &str) -> ComputeError {
    ComputeError::Failed {
        provider: PROVIDER,
        action,
        message: message.to_owned(),
    }
}

fn shown(vm: &VmId, machine: &SimMachine) -> Machine {
    let running = machine.running.as_ref();
    Machine {
        vm_id: vm.clone(),
        id: machine.id.clone(),
        power: match running {
            Some(_) => Power::On,
            None => Power::Off {
                exit_code: machine.exit_code,
                out_of_memory: false,
            },
        },
        start: format!("{} {}", machine.id, machine.starts),
        address: running
            .filter(|running| running.is_up())
            .map(|running| running.base_url.clone()),
        image_id: machine.image.clone(),
    }
}

impl Provider for SimProvider {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(self.step(Step::Look, "answer"))
    }

    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async {
            self.step(Step::Home, "make a home").await?;
            Ok(self.world.homes().insert(vm.clone()))
        })
    }

    fn home_exists<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async {
            self.step(Step::Home, "look at a home").await?;
            Ok(self.world.homes().contains(vm))
        })
    }

    fn remove_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Home, "remove a home").await?;
            self.world.homes().remove(vm);
            Ok(())
        })
    }

    fn create<'a>(&'a self, vm: &'a VmId, spec: Spec<'a>) -> Answer<'a, String> {
        Box::pin(async {
            self.step(Step::Create, "make a machine").await?;
            if self.no_image.load(SeqCst) {
                return Err(ComputeError::ImageMissing(spec.image.to_owned()));
            }
            let id = format!("machine-{}", self.created.fetch_add(1, SeqCst));
            let machine = SimMachine {
                id: id.clone(),
                image: spec.image.to_owned(),
                token: None,
                running: None,
                exit_code: None,
                starts: 0,
            };
            self.world.machines().insert(vm.clone(), machine);
            Ok(id)
        })
    }

    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Token, "write a token").await?;
            let mut machines = self.world.machines();
            let machine = machines
                .get_mut(vm)
                .ok_or_else(|| ComputeError::MachineMissing(vm.clone()))?;
            if machine.running.is_some() {
                return Err(failed("write a token", "the machine runs"));
            }
            machine.token = Some(token.clone());
            Ok(())
        })
    }

    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Start, "start a machine").await?;
            self.started.fetch_add(1, SeqCst);
            let listener = self.listener().await?;
            self.run(vm, listener)
        })
    }

    fn stop<'a>(&'a self, vm: &'a VmId, _grace: Duration) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Stop, "stop a machine").await?;
            self.stopped.fetch_add(1, SeqCst);
            if let Some(machine) = self.world.machines().get_mut(vm)
                && machine.running.take().is_some()
            {
                machine.exit_code = Some(0);
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Remove, "remove a machine").await?;
            self.world.machines().remove(vm);
            Ok(())
        })
    }

    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>> {
        Box::pin(async {
            self.step(Step::Look, "look at a machine").await?;
            Ok(self.world.machines().get(vm).map(|found| shown(vm, found)))
        })
    }

    fn list(&self) -> Answer<'_, Vec<Machine>> {
        Box::pin(async {
            self.step(Step::Look, "list machines").await?;
            let machines = self.world.machines();
            Ok(machines
                .iter()
                .map(|(vm, found)| shown(vm, found))
                .collect())
        })
    }
}
