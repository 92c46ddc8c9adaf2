//! A VM that is a container of the built image, seen from outside: by Docker, and by the volume of
//! its home.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ff_protocol::VmId;
use rustix::process::Pid;
use uuid::Uuid;

use crate::states::Inside;

/// Home of the user in a container, and who that is: `images/vm/Dockerfile`.
const HOME: &str = "/home/ff";
const USER: &str = "1000:1000";

/// The container of a VM, and its home.
#[derive(Debug, Clone)]
pub struct Container {
    name: String,
    home: PathBuf,
}

impl Container {
    /// The container of this VM.
    ///
    /// # Errors
    /// Docker knows no home of it.
    pub fn of(vm: &VmId) -> Result<Self> {
        let volume = format!("ff-home-{vm}");
        let home = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume])?;
        Ok(Self {
            name: format!("ff-vm-{vm}"),
            home: home.into(),
        })
    }

    /// Its name in Docker.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home of its user, as a directory of this machine: only root may enter.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What its user calls a path of this machine.
    ///
    /// # Errors
    /// That is not in the home.
    pub fn inside(&self, path: &Path) -> Result<PathBuf> {
        let below = path.strip_prefix(&self.home);
        let below = below.with_context(|| format!("{} is not in the home", path.display()))?;
        Ok(Path::new(HOME).join(below))
    }

    /// A shell of its user in a directory, given as a path of this machine.
    ///
    /// # Errors
    /// That is not in the home.
    pub fn shell(&self, dir: &Path) -> Result<Inside> {
        let dir = self.inside(dir)?;
        Ok(Inside {
            container: self.name.clone(),
            dir: dir.to_string_lossy().into_owned(),
        })
    }

    /// Makes its user the owner of a path of this machine, and of all below it.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn give(&self, path: &Path) -> Result<()> {
        let mut command = Command::new("chown");
        said(command.args(["--recursive", USER]).arg(path)).map(drop)
    }

    /// Its agent, by the id that this machine knows it by. It is what the container's first process
    /// has begun.
    ///
    /// # Errors
    /// It does not run.
    pub fn agent(&self) -> Result<Pid> {
        let first = docker(&["inspect", "--format", "{{.State.Pid}}", &self.name])?;
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
        let child = children.split_whitespace().next().map(str::parse);
        let child = child.transpose()?.and_then(Pid::from_raw);
        child.with_context(|| format!("{} has no agent", self.name))
    }

    /// Its address.
    ///
    /// # Errors
    /// It does not run.
    pub fn address(&self) -> Result<IpAddr> {
        let networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let all = docker(&["inspect", "--format", networks, &self.name])?;
        let first = all.split_whitespace().next().context("it has no network")?;
        Ok(first.parse()?)
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// Docker does not tell.
    pub fn runs(&self) -> Result<bool> {
        let state = docker(&["inspect", "--format", "{{.State.Running}}", &self.name])?;
        Ok(state == "true")
    }

    /// What its agent said.
    pub fn said(&self) -> String {
        let output = Command::new("docker").args(["logs", &self.name]).output();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        output.map_or_else(
            |error| error.to_string(),
            |it| text(it.stdout) + &text(it.stderr),
        )
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// Docker fails.
    pub fn stop(&self) -> Result<()> {
        docker(&["stop", "--time", "1", &self.name]).map(drop)
    }
}

/// An image that is another one with more in its environment. Dropping it removes it.
#[derive(Debug)]
pub struct Image {
    name: String,
}

impl Image {
    /// Makes it.
    ///
    /// # Errors
    /// The other image is not there.
    pub fn with(image: &str, variable: &str, value: &str) -> Result<Self> {
        let name = format!("ff-test-{}:latest", Uuid::new_v4().simple());
        let dir = tempfile::tempdir()?;
        let text = format!("FROM {image}\nENV {variable}={value}\n");
        std::fs::write(dir.path().join("Dockerfile"), text)?;
        let path = dir.path().to_string_lossy();
        docker(&["build", "--quiet", "--tag", &name, &path])?;
        Ok(Self { name })
    }

    /// Its name in Docker.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = docker(&["rmi", "--force", &self.name]) {
            tracing::error!(%error, image = self.name, "an image may be left");
        }
    }
}

fn docker(args: &[&str]) -> Result<String> {
    said(Command::new("docker").args(args))
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", error.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
