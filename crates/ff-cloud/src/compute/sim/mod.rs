//! Machines in memory, for tests and for scale. Nothing runs in them: a machine is an entry in a
//! map, and one listener plays the agents of all. They take as long, and fail as often, as told;
//! all is gone with the server, homes too.
//!
//! An image's id is `sha-` and its name, until a test gives it another. What a test changes by
//! hand ([`SimProvider::kill`], [`SimProvider::lose_home`], …) those who watch are told of, as of
//! what the provider was asked to do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use ff_protocol::VmId;
use tokio::sync::{OnceCell, watch};

use self::agent::Listener;
use self::world::{Running, World, lock};
use super::{Belonging, BelongingKind, ComputeError, Finding};

mod agent;
mod provider;
mod routes;
mod work;
mod world;

pub use work::{Work, WorkGuard};
pub use world::Made;

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
    /// `freeze`.
    Freeze,
    /// `thaw`.
    Thaw,
    /// `set_limits`.
    Limits,
    /// `image`, `keep_images`.
    Image,
    /// `watch`.
    Watch,
    /// `inspect`, `list`, `logs`, `belongings`, `findings`.
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
    /// Limits of a machine that runs cannot be changed.
    pub limits_at_next_start: AtomicBool,
    /// What the host lacks.
    pub findings: Mutex<Vec<Finding>>,
    /// Machines made so far.
    pub created: AtomicUsize,
    /// Starts so far.
    pub started: AtomicUsize,
    /// Stops so far.
    pub stopped: AtomicUsize,
    /// Freezes so far.
    pub frozen: AtomicUsize,
    /// Thaws so far.
    pub thawed: AtomicUsize,
    networks: Mutex<HashMap<String, Option<VmId>>>,
    /// What else every agent serves.
    pub engine: Arc<Mutex<Router>>,
}

impl SimProvider {
    /// A provider without machines, in which every step succeeds at once.
    pub fn new() -> Self {
        let world = World::default();
        Self {
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

    /// What every agent reports, to be looked at and changed; agents tell when the guard drops.
    pub fn work(&self) -> WorkGuard<'_> {
        self.world.works.all()
    }

    /// What the agent of this VM reports from now on, whatever [`Self::work`] says; at first the
    /// same.
    pub fn work_of(&self, vm: &VmId) -> WorkGuard<'_> {
        self.world.works.of(vm)
    }

    /// What the VM's machine was made from, and may use now.
    pub fn made_of(&self, vm: &VmId) -> Option<Made> {
        let machines = self.world.machines();
        machines.get(vm).map(|machine| machine.made.clone())
    }

    /// The image of this name has this id from now on: it was built anew.
    pub fn set_image(&self, name: &str, id: &str) {
        let mut images = self.world.images();
        images.ids.insert(name.to_owned(), id.to_owned());
    }

    /// The agents of machines made from the image of this id never come up, or do again.
    pub fn set_bad_image(&self, id: &str, bad: bool) {
        let mut images = self.world.images();
        match bad {
            true => images.bad.insert(id.to_owned()),
            false => images.bad.remove(id),
        };
    }

    /// The image of this id is lost.
    pub fn lose_image(&self, id: &str) {
        self.world.images().lost.insert(id.to_owned());
    }

    /// The images (ids) that are kept.
    pub fn kept_images(&self) -> Vec<String> {
        self.world.images().kept.clone()
    }

    /// A home is lost.
    pub fn lose_home(&self, vm: &VmId) {
        self.world.homes().remove(vm);
        self.world.tell(vm);
    }

    /// A machine is lost.
    pub fn lose_machine(&self, vm: &VmId) {
        self.world.machines().remove(vm);
        self.world.tell(vm);
    }

    /// The machine ends by itself, with exit code 3, if there is one.
    pub fn kill(&self, vm: &VmId) {
        self.kill_with(vm, ENDED_BY_ITSELF, false);
    }

    /// The machine ends with this exit code, and perhaps because it ran out of memory.
    pub fn kill_with(&self, vm: &VmId, exit_code: i64, out_of_memory: bool) {
        if let Some(machine) = self.world.machines().get_mut(vm) {
            machine.end(exit_code, out_of_memory);
        }
        self.world.tell(vm);
    }

    /// The machine writes a line into its log, if there is one.
    pub fn say(&self, vm: &VmId, line: &str) {
        if let Some(machine) = self.world.machines().get_mut(vm) {
            machine.say(line.to_owned());
        }
    }

    /// A network with this server's labels is there.
    pub fn add_network(&self, id: &str, vm: Option<&VmId>) {
        lock(&self.networks).insert(id.to_owned(), vm.cloned());
    }

    /// Those who watch lose their connection.
    pub fn break_watches(&self) {
        self.world.break_watches();
    }

    fn all_belongings(&self) -> Vec<Belonging> {
        let homes = self.world.homes();
        let homes = homes.iter().map(|vm| Belonging {
            kind: BelongingKind::Home,
            id: format!("home of {vm}"),
            vm_id: Some(vm.clone()),
        });
        let networks = lock(&self.networks);
        let networks = networks.iter().map(|(id, vm)| Belonging {
            kind: BelongingKind::Network,
            id: id.clone(),
            vm_id: vm.clone(),
        });
        homes.chain(networks).collect()
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
        match &machine.running {
            Some(running) if running.is_frozen() => {
                return Err(failed("start a machine", "it is frozen"));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        machine.starts += 1;
        machine.out_of_memory = false;
        // An agent reads its token once.
        let token = machine.token.take();
        machine.exit_code = match &token {
            None => Some(NO_TOKEN),
            Some(_) if self.dies.load(SeqCst) => Some(ENDED_BY_ITSELF),
            Some(_) => None,
        };
        if let Some(exit_code) = machine.exit_code {
            machine.say(format!(
                "the agent has ended at once with exit code {exit_code}"
            ));
        }
        if let (Some(token), None) = (token, machine.exit_code) {
            let since = Instant::now();
            let bad = self.world.images().bad.contains(&machine.made.image_id);
            let never = bad || self.hangs.load(SeqCst);
            machine.running = Some(Running {
                token,
                since,
                answers: (!never).then(|| since + self.takes(Step::Boot)),
                base_url: listener.base_url(vm, machine.starts),
                frozen: watch::Sender::new(false),
                quiesce: None,
            });
            machine.say("the agent has started".to_owned());
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
