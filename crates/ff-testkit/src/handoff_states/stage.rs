//! A server with a VM, and a desktop that is connected to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ff_client::{Auth, CloudClient};
use tempfile::TempDir;
use tokio::process::Child;

use super::Settings;
use crate::journey::process::{self, Run, eventually};
use crate::journey::{self, Options, World};
use crate::states::{HOME, Here, Inside, Shell};

/// What the server gets to end its agents.
const END: Duration = Duration::from_secs(15);
const USER: &str = "ada";
const IDENTITY: &str =
    "git config --global user.name Ada; git config --global user.email ada@example.test";

/// What is set up. Dropping it removes it.
pub(super) enum Stage {
    Processes(Box<Processes>),
    Docker(Box<World>),
}

/// A server whose VMs are plain processes, with a git host that is a directory.
pub(super) struct Processes {
    dir: TempDir,
    programs: PathBuf,
    vm_home: PathBuf,
    server: Child,
}

impl Stage {
    /// A server whose VM is a process.
    pub(super) async fn with_processes(settings: &Settings) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ff-states-").tempdir()?;
        let home = dir.path().join("home");
        std::fs::create_dir(&home)?;
        std::fs::create_dir(dir.path().join("remotes"))?;
        let address = process::free_port()?;
        let log = std::fs::File::create(dir.path().join("server.log"))?;
        let programs = settings.programs.clone();
        let server = tokio::process::Command::new(programs.join("ff-cloud"))
            .args(["serve", "--dev", "--provider", "process"])
            .args(["--idle-stop=172800", "--idle-freeze=86400"])
            .arg("--agent-binary")
            .arg(programs.join("ff-agent"))
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data-dir")
            .arg(dir.path().join("server"))
            .env_remove("DATABASE_URL")
            .env_remove("FF_CLOUD_DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start ff-cloud")?;
        let url = format!("http://{address}");
        let client = CloudClient::new(&url, Auth::User(USER.parse()?))?;
        eventually("the server answers", Duration::from_secs(20), async || {
            Ok(client.healthz().await.is_ok().then_some(()))
        })
        .await?;
        let vm = client.create_vm(None).await?;
        let machines = dir.path().join("server/process");
        let vm_home = machines.join(vm.id.as_str()).join("home");
        let stage = Processes {
            dir,
            programs,
            vm_home,
            server,
        };
        stage.prepare(&url).await?;
        Ok(Self::Processes(Box::new(stage)))
    }

    /// A server whose VM is a container, with a login at the git host in it.
    pub(super) async fn with_docker(settings: &Settings) -> Result<Self> {
        let options = Options {
            programs: settings.programs.clone(),
            image: settings.image.clone(),
            keep: false,
            cut: None,
            settings: vec!["--idle-freeze=86400".into(), "--idle-stop=172800".into()],
        };
        let world = journey::up_to(options, "onboarding: yes").await?;
        let stage = Self::Docker(Box::new(world));
        for shell in [stage.here(&stage.home()), stage.inside("~")?] {
            shell.run(&format!("{HOME}\n{IDENTITY}"))?;
        }
        Ok(stage)
    }

    /// What it is called in reports.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Processes(_) => "process",
            Self::Docker(_) => "docker",
        }
    }

    /// Home of the desktop's user.
    pub(super) fn home(&self) -> PathBuf {
        match self {
            Self::Processes(stage) => stage.home(),
            Self::Docker(world) => world.home(),
        }
    }

    /// Runs `ff` there.
    pub(super) fn ff<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        match self {
            Self::Processes(stage) => stage.ff(args),
            Self::Docker(world) => world.ff(args),
        }
    }

    /// A repository at the git host; where it is on this machine, and its address.
    pub(super) async fn make_remote(&self, name: &str) -> Result<(PathBuf, String)> {
        let bare = match self {
            Self::Processes(stage) => {
                return make_remote(&stage.dir.path().join("remotes"), name).await;
            }
            Self::Docker(world) => world.github()?.create_repo("octo", name).await?,
        };
        Ok((bare, address_of(name)))
    }

    /// A directory of the desktop.
    pub(super) fn here(&self, dir: &Path) -> Box<dyn Shell> {
        Box::new(Here {
            home: self.home(),
            dir: dir.to_owned(),
        })
    }

    /// The directory of a workspace in the VM.
    pub(super) fn there(&self, workspace: &str) -> Result<Box<dyn Shell>> {
        let place = format!("factory-factory/worktrees/*/workspace-{workspace}");
        match self {
            Self::Processes(stage) => {
                let home = Here {
                    home: stage.vm_home.clone(),
                    dir: stage.vm_home.clone(),
                };
                let dir = home.run(&format!("cd {place} && pwd -P"))?;
                let dir = String::from_utf8(dir)?.trim().into();
                Ok(Box::new(Here { dir, ..home }))
            }
            Self::Docker(_) => self.inside(&format!("~/{place}")),
        }
    }

    fn inside(&self, dir: &str) -> Result<Box<dyn Shell>> {
        let Self::Docker(world) = self else {
            anyhow::bail!("there is no container");
        };
        Ok(Box::new(Inside {
            container: world.container()?.to_owned(),
            dir: dir.to_owned(),
        }))
    }
}

/// Its agents end with it when it is told to end, not when it is killed.
impl Drop for Processes {
    fn drop(&mut self) {
        if process::terminate(&self.server).is_err() {
            return;
        }
        let begun = Instant::now();
        while begun.elapsed() < END && matches!(self.server.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Processes {
    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    async fn prepare(&self, url: &str) -> Result<()> {
        let remotes = self.dir.path().join("remotes");
        for home in [self.home(), self.vm_home.clone()] {
            prepare_home(&home, &remotes)?;
        }
        let connect = ["cloud", "connect", url, "--user", USER];
        self.ff(connect).ok().await.map(drop)
    }

    fn ff<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        run_ff(&self.programs, &self.home(), args)
    }
}

fn address_of(name: &str) -> String {
    format!("git@github.com:octo/{name}.git")
}

/// A bare repository at a git host that is a directory; where it is, and its address.
pub(crate) async fn make_remote(remotes: &Path, name: &str) -> Result<(PathBuf, String)> {
    let bare = remotes.join(format!("octo/{name}.git"));
    let init = ["init", "--quiet", "--bare", "--initial-branch=main"];
    let run = Run::new("git").args(init);
    run.args([bare.as_os_str()]).ok().await?;
    Ok((bare, address_of(name)))
}

/// Gives a home an identity, and the way to a git host that is a directory.
pub(crate) fn prepare_home(home: &Path, remotes: &Path) -> Result<()> {
    let here = Here {
        home: home.to_owned(),
        dir: home.to_owned(),
    };
    prepare(&here, remotes)
}

/// As [`prepare_home`], in a shell of the home's user; the directory is called as that user does.
pub(crate) fn prepare(home: &dyn Shell, remotes: &Path) -> Result<()> {
    let instead = format!(
        "git config --global url.file://{}/.insteadOf https://github.com/",
        remotes.display()
    );
    home.run(&format!("{HOME}\n{IDENTITY}\n{instead}"))
        .map(drop)
}

/// A run of `ff` for a user with this home.
pub(crate) fn run_ff<'a>(
    programs: &Path,
    home: &Path,
    args: impl IntoIterator<Item = &'a str>,
) -> Run {
    Run::new(programs.join("ff"))
        .args(args)
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_STATE_HOME", home.join(".local/state"))
        .env("NO_COLOR", "1")
        .dir(home)
}
