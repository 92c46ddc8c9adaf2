//! The VM of a world: a container of the built image, or a plain process of this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use ff_protocol::VmId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::disk::Disk;
use super::server::Server;
use crate::container::Container;
use crate::handoff_states::stage::{prepare, prepare_home};
use crate::journey::process::eventually;
use crate::states::{Here, Shell};

/// Where an agent in a container looks for the point at which it is to die.
pub(super) const TICKET: &str = "/home/ff/agent.ticket";
/// The git host: only what is in the home can be reached by both sides.
const GIT_HOST: &str = "git-host";
const UP: Duration = Duration::from_secs(60);

/// The VM.
#[derive(Debug)]
pub(super) struct Vm {
    /// Home of its user, as a directory of this machine.
    home: PathBuf,
    container: Option<Container>,
    /// Of the home, when that has one of its own.
    disk: Option<Disk>,
}

/// A directory of a workspace, on whatever side.
pub(super) struct Place {
    /// What its user calls it.
    pub(super) dir: PathBuf,
    shell: Box<dyn Shell>,
}

impl Shell for Place {
    fn run(&self, script: &str) -> Result<Vec<u8>> {
        self.shell.run(script)
    }
}

impl Place {
    /// A directory of this machine, for a user with this home.
    pub(super) fn here(home: PathBuf, dir: PathBuf) -> Self {
        Self {
            dir: dir.clone(),
            shell: Box::new(Here { home, dir }),
        }
    }
}

impl Vm {
    /// Makes the VM of the user.
    ///
    /// # Errors
    /// It does not come up, or its home cannot get a disk of its own.
    pub(super) async fn make(server: &mut Server, in_container: bool, disk: bool) -> Result<Self> {
        let vm = server.client()?.create_vm(None).await?;
        let mut made = match in_container {
            true => Self::in_container(&vm.id)?,
            false => Self {
                home: server.data().join(format!("process/{}/home", vm.id)),
                container: None,
                disk: None,
            },
        };
        if let Some(container) = made.container.clone().filter(|_| disk) {
            server.end().await?;
            container.stop()?;
            made.disk = Some(Disk::over(&made.home)?);
            server.mend().await?;
            eventually("the container runs again", UP, async || {
                Ok(container.agent().is_ok().then_some(()))
            })
            .await?;
        }
        Ok(made)
    }

    fn in_container(vm: &VmId) -> Result<Self> {
        let container = Container::of(vm)?;
        Ok(Self {
            home: container.home().to_owned(),
            container: Some(container),
            disk: None,
        })
    }

    /// Home of its user, as a directory of this machine.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// A directory of this machine that is in the home, as its user has it.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn place(&self, dir: PathBuf) -> Result<Place> {
        match &self.container {
            None => Ok(Place::here(self.home.clone(), dir)),
            Some(container) => Ok(Place {
                dir: container.inside(&dir)?,
                shell: Box::new(container.shell(&dir)?),
            }),
        }
    }

    /// A directory for a git host that both sides reach, as a path of this machine.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn git_host(&self, of_processes: PathBuf) -> Result<PathBuf> {
        let dir = match &self.container {
            None => of_processes,
            Some(_) => self.home.join(GIT_HOST),
        };
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Gives its user an identity, and the way to the git host.
    ///
    /// # Errors
    /// git fails.
    pub(super) fn prepare(&self, git_host: &Path) -> Result<()> {
        match &self.container {
            None => prepare_home(&self.home, git_host),
            Some(container) => {
                let shell = container.shell(&self.home)?;
                prepare(&shell, &container.inside(git_host)?)?;
                // What is there belongs to whoever made it.
                let trust = "git config --global safe.directory '*'";
                shell.run(trust).map(drop)
            }
        }
    }

    /// Where its agent looks for the point at which it is to die, unless it shares the server's.
    pub(super) fn ticket(&self) -> Option<PathBuf> {
        let name = Path::new(TICKET).file_name()?;
        self.container.is_some().then(|| self.home.join(name))
    }

    /// Makes its user the owner of a file in the home.
    ///
    /// # Errors
    /// It cannot be done.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        self.container.as_ref().map_or(Ok(()), |it| it.give(path))
    }

    /// The disk of its home, if that has one of its own.
    pub(super) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Its agent.
    ///
    /// # Errors
    /// It does not run.
    pub(super) fn agent(&self) -> Result<Pid> {
        if let Some(container) = &self.container {
            return container.agent();
        }
        let record = self.home.with_file_name("machine.json");
        let record: Value = serde_json::from_slice(&std::fs::read(record)?)?;
        let pid = record["run"]["pid"].as_i64().map(i32::try_from);
        pid.and_then(Result::ok)
            .and_then(Pid::from_raw)
            .with_context(|| format!("no agent runs: {record}"))
    }

    /// What its agent said.
    pub(super) fn said(&self) -> String {
        match &self.container {
            None => {
                let log = self.home.with_file_name("agent.log");
                std::fs::read_to_string(log).unwrap_or_default()
            }
            Some(container) => container.said(),
        }
    }

    /// Ends its agent, if that is a process, which outlives its server and has a mark in its
    /// environment; takes its disk away.
    pub(super) fn let_go(&mut self) {
        self.disk = None;
        if self.container.is_some() {
            return;
        }
        let Some(machines) = self.home.ancestors().nth(2) else {
            return;
        };
        let mark = format!("@{}/", machines.display());
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            let ours = environment.split(|byte| *byte == 0).any(|it| {
                let it = String::from_utf8_lossy(it);
                it.starts_with("FF_MACHINE=") && it.contains(&mark)
            });
            let pid = process.file_name().to_string_lossy().parse().ok();
            if let Some(pid) = pid.filter(|_| ours).and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
