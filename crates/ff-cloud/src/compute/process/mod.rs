//! VMs as plain child processes of the server, for development without a container engine.
//!
//! A VM is the directory `<data dir>/process/<vm id>`: its home, and `machine.json`, which names
//! its process by number and start time. **Nothing is isolated**: an agent, and all its user
//! starts, runs as the server's user, sees that user's files and has no limits: those it is given
//! are never in force, and it cannot be frozen. What it does not see is the server's environment:
//! it gets a short list of harmless variables. The image is the agent's file: another build of it
//! is another image.
//!
//! Agents have a process group of their own and a mark in their environment, which everything
//! they start inherits. A machine ends as a whole: by SIGTERM, then SIGKILL to all of the group
//! and all that carries the mark; and so it does when the server ends. A server that was killed
//! leaves its agents running, and the next one on the same data directory finds them by number,
//! start time and mark, and goes on with them. It touches no process that is not in its records.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use futures_util::StreamExt;
use tokio::time::Instant;

use self::machine::{Launcher, Slot};
use self::record::{Place, Record, Run};
use super::{Answer, Belonging, BelongingKind, ComputeError, Machine, Provider, Spec};
use crate::agent::AgentToken;
use crate::config::AgentSettings;
use crate::identity::write_whole;

mod home;
mod machine;
mod record;
mod system;

/// How messages name it.
const PROVIDER: &str = "the process provider";
const CALL: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What agents get to end by themselves when the server ends.
const LAST_GRACE: Duration = Duration::from_secs(5);
const CLOSED_AT_ONCE: usize = 16;

/// The provider of plain processes.
#[derive(Debug)]
pub struct ProcessProvider {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    launcher: Launcher,
    slots: Mutex<HashMap<VmId, Arc<Mutex<Slot>>>>,
}

impl ProcessProvider {
    /// A provider that keeps its VMs below `data_dir` and runs this agent, or the `ff-agent`
    /// beside the server's own program.
    ///
    /// # Errors
    /// There is no such agent, or the directory cannot be made.
    pub fn new(
        data_dir: &Path,
        agent_binary: Option<&Path>,
        settings: &AgentSettings,
    ) -> Result<Self, ComputeError> {
        let binary = match agent_binary {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()
                .map_err(|error| ComputeError::Setting(format!("where am I: {error}")))?
                .with_file_name("ff-agent"),
        };
        let binary = std::path::absolute(&binary).unwrap_or(binary);
        if !binary.is_file() {
            return Err(ComputeError::Setting(format!(
                "there is no agent at {}: build it with `cargo build -p ff-agent`, or name it with --agent-binary",
                binary.display()
            )));
        }
        let root = data_dir.join("process");
        let unusable = |error: io::Error| {
            ComputeError::Setting(format!("{} cannot be used: {error}", root.display()))
        };
        std::fs::create_dir_all(&root).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                launcher: Launcher::new(binary, settings),
                slots: Mutex::default(),
            }),
        })
    }

    /// Does something that blocks, with the VM's slot held.
    async fn with<T: Send + 'static>(
        &self,
        action: &'static str,
        vm: &VmId,
        work: impl FnOnce(&mut Slot, &VmId, &Place, &Launcher) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ComputeError> {
        let (shared, vm) = (self.shared.clone(), vm.clone());
        blocking(action, move || {
            let slot = shared.slot(&vm);
            let place = Place::of(&shared.root, &vm);
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut slot, &vm, &place, &shared.launcher)
        })
        .await
    }

    async fn halt(&self, vm: &VmId, grace: Duration) -> Result<(), ComputeError> {
        const ACTION: &str = "stop a process";
        let until = Instant::now() + grace;
        let mut running = self
            .with(ACTION, vm, |slot, vm, place, _| slot.terminate(vm, place))
            .await?;
        while running && Instant::now() < until {
            tokio::time::sleep(LOOK_AGAIN).await;
            running = self
                .with(ACTION, vm, |slot, vm, place, _| slot.runs(vm, place))
                .await?;
        }
        self.with(ACTION, vm, |slot, vm, place, _| slot.kill(vm, place))
            .await
    }

    async fn vms(&self) -> Result<Vec<VmId>, ComputeError> {
        let root = self.shared.root.clone();
        blocking("list its directory", move || {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(root)? {
                let name = entry?.file_name();
                found.extend(name.to_str().and_then(|name| name.parse().ok()));
            }
            Ok(found)
        })
        .await
    }
}

impl Shared {
    fn slot(&self, vm: &VmId) -> Arc<Mutex<Slot>> {
        self.slots().entry(vm.clone()).or_default().clone()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<VmId, Arc<Mutex<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every call ends: local files and `/proc` answer at once, or not at all.
async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ComputeError> {
    let failed = |message| ComputeError::Failed {
        provider: PROVIDER,
        action,
        message,
    };
    match tokio::time::timeout(CALL, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done.map_err(|error| failed(error.to_string())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("not done within {} s", CALL.as_secs()))),
    }
}

impl Provider for ProcessProvider {
    fn ping(&self) -> Answer<'_, ()> {
        let binary = self.shared.launcher.binary().to_owned();
        Box::pin(async move {
            match blocking("look at its agent", move || Ok(binary.is_file())).await? {
                true => Ok(()),
                false => Err(ComputeError::Unavailable(format!(
                    "{PROVIDER} does not find its agent {} any more",
                    self.shared.launcher.binary().display()
                ))),
            }
        })
    }

    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(self.with("make a home", vm, |_, _, place, _| home::ensure(place)))
    }

    fn home_exists<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(self.with("look at a home", vm, |_, _, place, _| home::exists(place)))
    }

    fn remove_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            self.with("remove a home", vm, |_, _, place, _| home::remove(place))
                .await?;
            self.shared.slots().remove(vm);
            Ok(())
        })
    }

    fn create<'a>(&'a self, vm: &'a VmId, _spec: Spec<'a>) -> Answer<'a, String> {
        Box::pin(async move {
            self.remove(vm).await?;
            self.with("make a machine", vm, |_, _, place, launcher| {
                if !home::exists(place)? {
                    return Err(io::Error::other("it has no home"));
                }
                let record = Record {
                    id: uuid::Uuid::now_v7().to_string(),
                    image: launcher.image()?,
                    starts: 0,
                    run: Run::Never,
                };
                place.write(&record)?;
                Ok(record.id)
            })
            .await
        })
    }

    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()> {
        let token = token.clone();
        Box::pin(async move {
            let written = self.with("write a token", vm, move |_, _, place, _| {
                if place.read()?.is_none() {
                    return Ok(false);
                }
                write_whole(&place.token(), token.expose().as_bytes()).map(|()| true)
            });
            present(written.await?, vm)
        })
    }

    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            let started = self.with("start a process", vm, |slot, vm, place, launcher| {
                slot.start(vm, place, launcher)
            });
            present(started.await?, vm)
        })
    }

    fn stop<'a>(&'a self, vm: &'a VmId, grace: Duration) -> Answer<'a, ()> {
        Box::pin(self.halt(vm, grace))
    }

    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            self.with("remove a machine", vm, |slot, vm, place, _| {
                slot.kill(vm, place)?;
                place.forget()
            })
            .await?;
            self.shared.slots().remove(vm);
            Ok(())
        })
    }

    fn set_limits<'a>(&'a self, vm: &'a VmId, _limits: Limits) -> Answer<'a, Applied> {
        Box::pin(async move {
            let there = self.with("look at a machine", vm, |_, _, place, _| place.read());
            present(there.await?.is_some(), vm)?;
            Ok(Applied::NextResume)
        })
    }

    fn image<'a>(&'a self, _name: &'a str) -> Answer<'a, Option<String>> {
        let launcher = self.shared.launcher.clone();
        Box::pin(async move {
            let looked = blocking("look at its agent", move || match launcher.image() {
                Ok(id) => Ok(Some(id)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            });
            looked.await
        })
    }

    fn logs<'a>(&'a self, vm: &'a VmId, lines: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let read = self.with("read a log", vm, move |_, _, place, _| {
                match place.read()? {
                    Some(_) => machine::last_lines(place, lines).map(Some),
                    None => Ok(None),
                }
            });
            let missing = || ComputeError::MachineMissing(vm.clone());
            read.await?.ok_or_else(missing)
        })
    }

    fn home_name(&self, vm: &VmId) -> String {
        let home = Place::of(&self.shared.root, vm).home();
        home.display().to_string()
    }

    fn belongings(&self) -> Answer<'_, Vec<Belonging>> {
        Box::pin(async move {
            let mut homes = Vec::new();
            for vm in self.vms().await? {
                if self.home_exists(&vm).await? {
                    homes.push(Belonging {
                        kind: BelongingKind::Home,
                        id: self.home_name(&vm),
                        vm_id: Some(vm),
                    });
                }
            }
            Ok(homes)
        })
    }

    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>> {
        Box::pin(self.with("look at a process", vm, |slot, vm, place, _| {
            slot.look(vm, place)
        }))
    }

    fn list(&self) -> Answer<'_, Vec<Machine>> {
        Box::pin(async move {
            let mut machines = Vec::new();
            for vm in self.vms().await? {
                let looked = self.with("look at a process", &vm, |slot, vm, place, _| {
                    machine::trim_log(place)?;
                    slot.look(vm, place)
                });
                match looked.await {
                    Ok(machine) => machines.extend(machine),
                    Err(error) => tracing::warn!(%vm, %error, "a VM's process is not listed"),
                }
            }
            Ok(machines)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let vms = self.vms().await?;
            futures_util::stream::iter(vms)
                .for_each_concurrent(CLOSED_AT_ONCE, async |vm| {
                    if let Err(error) = self.halt(&vm, LAST_GRACE).await {
                        tracing::warn!(%vm, %error, "processes of a VM may be left running");
                    }
                })
                .await;
            Ok(())
        })
    }
}

fn present(there: bool, vm: &VmId) -> Result<(), ComputeError> {
    match there {
        true => Ok(()),
        false => Err(ComputeError::MachineMissing(vm.clone())),
    }
}
