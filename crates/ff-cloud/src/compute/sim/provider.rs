//! The provider's calls, over the simulated world.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio_stream::wrappers::BroadcastStream;

use super::world::{Made, SimMachine, lock};
use super::{SimProvider, Step, failed};
use crate::agent::AgentToken;
use crate::compute::{Answer, Belonging, ComputeError, Finding, Machine, Power, Provider, Spec};

impl SimProvider {
    fn on_machine<T>(
        &self,
        vm: &VmId,
        work: impl FnOnce(&mut SimMachine) -> Result<T, ComputeError>,
    ) -> Result<T, ComputeError> {
        match self.world.machines().get_mut(vm) {
            Some(machine) => work(machine),
            None => Err(ComputeError::MachineMissing(vm.clone())),
        }
    }

    fn image_id(&self, image: &str) -> Option<String> {
        let there = !self.no_image.load(SeqCst);
        self.world.images().id_of(image).filter(|_| there)
    }
}

fn shown(vm: &VmId, machine: &SimMachine) -> Machine {
    let running = machine.running.as_ref();
    Machine {
        vm_id: vm.clone(),
        id: machine.id.clone(),
        power: match running {
            Some(running) if running.is_frozen() => Power::Frozen,
            Some(_) => Power::On,
            None => Power::Off {
                exit_code: machine.exit_code,
                out_of_memory: machine.out_of_memory,
            },
        },
        start: format!("{} {}", machine.id, machine.starts),
        address: running
            .filter(|running| running.is_up())
            .map(|running| running.base_url.clone()),
        image_id: machine.made.image_id.clone(),
    }
}

impl Provider for SimProvider {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(self.step(Step::Look, "answer"))
    }

    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async {
            self.step(Step::Home, "make a home").await?;
            let made = self.world.homes().insert(vm.clone());
            if made {
                self.world.tell(vm);
            }
            Ok(made)
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
            self.lose_home(vm);
            Ok(())
        })
    }

    fn create<'a>(&'a self, vm: &'a VmId, spec: Spec<'a>) -> Answer<'a, String> {
        Box::pin(async move {
            self.step(Step::Create, "make a machine").await?;
            let image_id = self
                .image_id(spec.image)
                .ok_or_else(|| ComputeError::ImageMissing(spec.image.to_owned()))?;
            let id = format!("machine-{}", self.created.fetch_add(1, SeqCst));
            let made = Made {
                image: spec.image.to_owned(),
                image_id,
                limits: spec.limits,
            };
            let machine = SimMachine::new(id.clone(), made);
            self.world.machines().insert(vm.clone(), machine);
            self.world.tell(vm);
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
            self.run(vm, listener)?;
            self.world.tell(vm);
            Ok(())
        })
    }

    fn stop<'a>(&'a self, vm: &'a VmId, _grace: Duration) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Stop, "stop a machine").await?;
            self.stopped.fetch_add(1, SeqCst);
            if let Some(machine) = self.world.machines().get_mut(vm) {
                machine.end(0, false);
            }
            self.world.tell(vm);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Remove, "remove a machine").await?;
            self.lose_machine(vm);
            Ok(())
        })
    }

    fn can_freeze(&self) -> bool {
        true
    }

    fn freeze<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Freeze, "freeze a machine").await?;
            self.frozen.fetch_add(1, SeqCst);
            self.on_machine(vm, |machine| match &machine.running {
                Some(running) => {
                    running.frozen.send_replace(true);
                    Ok(())
                }
                None => Err(failed("freeze a machine", "it does not run")),
            })?;
            self.world.tell(vm);
            Ok(())
        })
    }

    fn thaw<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Thaw, "thaw a machine").await?;
            self.thawed.fetch_add(1, SeqCst);
            self.on_machine(vm, |machine| {
                if let Some(running) = &machine.running {
                    running.frozen.send_replace(false);
                }
                Ok(())
            })?;
            self.world.tell(vm);
            Ok(())
        })
    }

    fn set_limits<'a>(&'a self, vm: &'a VmId, limits: Limits) -> Answer<'a, Applied> {
        Box::pin(async move {
            self.step(Step::Limits, "set limits").await?;
            let fixed = self.limits_at_next_start.load(SeqCst);
            self.on_machine(vm, |machine| {
                if fixed && machine.running.is_some() {
                    return Ok(Applied::NextResume);
                }
                machine.made.limits = limits;
                Ok(Applied::Now)
            })
        })
    }

    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move {
            self.step(Step::Image, "look at an image").await?;
            Ok(self.image_id(name))
        })
    }

    fn keep_images<'a>(&'a self, ids: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async {
            self.step(Step::Image, "keep images").await?;
            self.world.images().kept = ids.to_vec();
            Ok(())
        })
    }

    fn logs<'a>(&'a self, vm: &'a VmId, lines: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            self.step(Step::Look, "read a log").await?;
            self.on_machine(vm, |machine| Ok(machine.log(lines)))
        })
    }

    fn watch(&self) -> Answer<'_, BoxStream<'static, VmId>> {
        Box::pin(async {
            self.step(Step::Watch, "watch").await?;
            // Whoever is too slow misses events, as with a real connection that was made anew.
            let events = BroadcastStream::new(self.world.watch());
            Ok(events.filter_map(async |event| event.ok()).boxed())
        })
    }

    fn belongings(&self) -> Answer<'_, Vec<Belonging>> {
        Box::pin(async {
            self.step(Step::Look, "list what there is").await?;
            Ok(self.all_belongings())
        })
    }

    fn remove_network<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.step(Step::Remove, "remove a network").await?;
            lock(&self.networks).remove(id);
            Ok(())
        })
    }

    fn findings(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async {
            self.step(Step::Look, "look at the host").await?;
            Ok(lock(&self.findings).clone())
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
