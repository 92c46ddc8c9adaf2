//! Machines in this process: each start runs an agent on a port of its own.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ff_cloud::agent::AgentToken;
use ff_cloud::compute::{Answer, ComputeError, Machine, Power, Provider};
use ff_protocol::VmId;

use super::agent::{self, Running, Work};

#[derive(Debug, Default)]
struct FakeMachine {
    id: String,
    token: Option<String>,
    running: Option<Running>,
    reachable: bool,
    starts: usize,
}

/// The provider, with switches for what can go wrong.
#[derive(Debug, Default)]
pub struct FakeProvider {
    machines: Mutex<HashMap<VmId, FakeMachine>>,
    homes: Mutex<HashSet<VmId>>,
    /// It does not answer.
    pub down: AtomicBool,
    /// The image is not there.
    pub no_image: AtomicBool,
    /// What starts ends at once, with exit code 3.
    pub dies: AtomicBool,
    /// What starts never gets an address.
    pub hangs: AtomicBool,
    pub created: AtomicUsize,
    pub started: AtomicUsize,
    pub stopped: AtomicUsize,
    /// What every agent reports.
    pub work: Arc<Mutex<Work>>,
    /// What else every agent serves.
    pub engine: Mutex<axum::Router>,
}

impl FakeProvider {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn machines(&self) -> usize {
        self.lock().len()
    }

    pub fn homes(&self) -> usize {
        self.homes.lock().unwrap().len()
    }

    pub fn lose_home(&self, vm: &VmId) {
        self.homes.lock().unwrap().remove(vm);
    }

    pub fn lose_machine(&self, vm: &VmId) {
        self.lock().remove(vm);
    }

    /// The machine ends by itself.
    pub fn kill(&self, vm: &VmId) {
        self.lock().get_mut(vm).unwrap().running = None;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, FakeMachine>> {
        self.machines.lock().unwrap()
    }

    fn up(&self) -> Result<(), ComputeError> {
        match self.down.load(SeqCst) {
            true => Err(ComputeError::Unavailable(
                "the socket is not there".to_owned(),
            )),
            false => Ok(()),
        }
    }

    fn shown(vm: &VmId, machine: &FakeMachine) -> Machine {
        Machine {
            vm_id: vm.clone(),
            id: machine.id.clone(),
            power: match machine.running {
                Some(_) => Power::On,
                None => Power::Off { exit_code: Some(3) },
            },
            start: format!("{} {}", machine.id, machine.starts),
            address: machine
                .running
                .as_ref()
                .filter(|_| machine.reachable)
                .map(|running| running.address.clone()),
        }
    }
}

impl Provider for FakeProvider {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async { self.up() })
    }

    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async {
            self.up()?;
            Ok(self.homes.lock().unwrap().insert(vm.clone()))
        })
    }

    fn home_exists<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async {
            self.up()?;
            Ok(self.homes.lock().unwrap().contains(vm))
        })
    }

    fn remove_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.up()?;
            self.homes.lock().unwrap().remove(vm);
            Ok(())
        })
    }

    fn create<'a>(&'a self, vm: &'a VmId, image: &'a str) -> Answer<'a, String> {
        Box::pin(async {
            self.up()?;
            if self.no_image.load(SeqCst) {
                return Err(ComputeError::ImageMissing(image.to_owned()));
            }
            let number = self.created.fetch_add(1, SeqCst);
            let id = format!("machine-{number}");
            let machine = FakeMachine {
                id: id.clone(),
                ..Default::default()
            };
            self.lock().insert(vm.clone(), machine);
            Ok(id)
        })
    }

    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()> {
        Box::pin(async {
            self.up()?;
            let mut machines = self.lock();
            let machine = machines
                .get_mut(vm)
                .ok_or(ComputeError::MachineMissing(vm.clone()))?;
            assert!(machine.running.is_none(), "a token for a machine that runs");
            machine.token = Some(token.expose().to_owned());
            Ok(())
        })
    }

    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.up()?;
            self.started.fetch_add(1, SeqCst);
            let token = {
                let mut machines = self.lock();
                let machine = machines
                    .get_mut(vm)
                    .ok_or(ComputeError::MachineMissing(vm.clone()))?;
                machine.starts += 1;
                // The agent reads its token once.
                machine.token.take().expect("a start without a token")
            };
            if self.dies.load(SeqCst) {
                return Ok(());
            }
            let engine = self.engine.lock().unwrap().clone();
            let running = agent::start(vm.clone(), token, self.work.clone(), engine).await;
            let mut machines = self.lock();
            let machine = machines.get_mut(vm).unwrap();
            machine.running = Some(running);
            machine.reachable = !self.hangs.load(SeqCst);
            Ok(())
        })
    }

    fn stop<'a>(&'a self, vm: &'a VmId, _grace: Duration) -> Answer<'a, ()> {
        Box::pin(async {
            self.up()?;
            self.stopped.fetch_add(1, SeqCst);
            if let Some(machine) = self.lock().get_mut(vm) {
                machine.running = None;
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.up()?;
            self.lock().remove(vm);
            Ok(())
        })
    }

    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>> {
        Box::pin(async {
            self.up()?;
            Ok(self.lock().get(vm).map(|machine| Self::shown(vm, machine)))
        })
    }

    fn list(&self) -> Answer<'_, Vec<Machine>> {
        Box::pin(async {
            self.up()?;
            let machines = self.lock();
            Ok(machines.iter().map(|(vm, m)| Self::shown(vm, m)).collect())
        })
    }
}
