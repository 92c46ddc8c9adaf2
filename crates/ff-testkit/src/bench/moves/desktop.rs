//! A desktop with a VM whose user is logged in, and what the references need of both.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::bench::Bench;
use crate::journey::outside::{inspect, look_inside};
use crate::journey::process::Run;
use crate::journey::{self, World};

/// Has git in the VM use the login of `gh`, as it does for a user who typed `gh auth setup-git`.
const GH: &str = "git -c credential.helper= -c credential.helper='!gh auth git-credential'";
/// `octo:gho_testkitocto`, as the stand-in knows the user.
const LOGIN: &str = "Authorization: Basic b2N0bzpnaG9fdGVzdGtpdG9jdG8=";

/// A desktop and its VM.
pub(super) struct Desktop {
    pub(super) world: World,
    /// The VM's home, on the host.
    volume: PathBuf,
}

impl Desktop {
    pub(super) async fn new(bench: &Bench) -> Result<Self> {
        let options = journey::Options {
            programs: bench.settings.programs.clone(),
            image: bench.settings.image.clone(),
            keep: false,
            cut: None,
            settings: vec!["--idle-freeze=86400".into(), "--idle-stop=172800".into()],
        };
        let world = journey::up_to(options, "onboarding: yes").await?;
        let mounts = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Source}}{{end}}{{end}}";
        let volume = inspect(world.container()?, mounts).await?;
        ensure!(!volume.is_empty(), "the VM has no volume");
        Ok(Self {
            world,
            volume: volume.into(),
        })
    }

    /// Runs a script of the desktop's user.
    pub(super) async fn sh(&self, script: &str) -> Result<String> {
        self.sh_in(&self.world.home(), script).await
    }

    pub(super) async fn sh_in(&self, dir: &Path, script: &str) -> Result<String> {
        let run = Run::new("bash").args(["-ec", script]).dir(dir);
        run.env("HOME", self.world.home()).text().await
    }

    /// Runs a script in the VM; returns the milliseconds that it took there.
    pub(super) async fn in_vm(&self, script: &str) -> Result<f64> {
        let timed =
            format!("set -e; b=$(date +%s%N); {{ {script}; }} >&2; e=$(date +%s%N); echo $((e-b))");
        let nanos = look_inside(self.world.container()?, &timed).await?;
        Ok(nanos.trim().parse::<f64>()? / 1e6)
    }

    /// The bare repository of this name at the git host.
    pub(super) async fn bare(&self, name: &str) -> Result<PathBuf> {
        self.world.github()?.create_repo("octo", name).await
    }

    /// Clones from the git host into a new directory of the VM's home; milliseconds.
    pub(super) async fn clone_in_vm(&self, name: &str, to: &str) -> Result<f64> {
        let clone = format!("{GH} clone --quiet https://github.com/octo/{name}.git ~/{to}");
        self.in_vm(&clone).await
    }

    /// The VM's home, on the host.
    pub(super) fn home_of_vm(&self) -> &Path {
        &self.volume
    }

    /// A workspace's directory in the VM, on the host.
    pub(super) fn checkout_in_vm(&self, id: &str) -> Result<PathBuf> {
        let base = self.volume.join("factory-factory/worktrees");
        let mut projects = std::fs::read_dir(&base)?.flatten();
        let name = format!("workspace-{id}");
        let found = projects.find_map(|project| {
            let dir = project.path().join(&name);
            dir.is_dir().then_some(dir)
        });
        found.with_context(|| format!("{} has no {name}", base.display()))
    }

    /// The command by which the desktop clones from the git host.
    pub(super) fn clone_here(&self, name: &str, to: &Path) -> Result<String> {
        let github = self.world.github()?;
        let (authority, to) = (self.world.home().join("git-host.pem"), to.display());
        std::fs::write(&authority, github.ca_pem())?;
        let address = github.addr();
        Ok(format!(
            "GIT_SSL_CAINFO={} git -c http.curloptResolve=github.com:{}:{} -c http.extraHeader='{LOGIN}' \
             -c credential.helper= clone --quiet https://github.com:{}/octo/{name}.git {to}",
            authority.display(),
            address.port(),
            address.ip(),
            address.port(),
        ))
    }

    /// Adds a project and makes a workspace in it; its id and its directory.
    pub(super) async fn workspace(&self, repo: &Path, name: &str) -> Result<(String, PathBuf)> {
        let added = ["project", "add", &repo.to_string_lossy()];
        self.world.ff(added).ok().await?;
        self.workspace_in(name).await
    }

    /// Makes a workspace in a project.
    pub(super) async fn workspace_in(&self, project: &str) -> Result<(String, PathBuf)> {
        let new = ["--json", "workspace", "new", "Moves", "--project", project];
        let made = self.world.ff(new).json().await?;
        let made = made.get("workspace").unwrap_or(&made);
        let text = |key: &str| {
            let found = made.get(key).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("the workspace has no {key}: {made}"))
        };
        Ok((text("id")?, text("worktreePath")?.into()))
    }

    /// `ff` as a program of its own.
    pub(super) fn ff(
        &self,
        bench: &Bench,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let home = self.world.home();
        let mut command = Command::new(bench.settings.programs.join("ff"));
        command
            .args(args)
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("NO_COLOR", "1")
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Runs `ff`; `heard` gets each line of what it says as it comes.
pub(super) async fn listened(mut command: Command, mut heard: impl FnMut(&str)) -> Result<()> {
    let mut child = command.spawn().context("cannot start ff")?;
    let said = child.stderr.take().context("ff says nothing")?;
    let mut lines = BufReader::new(said).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await? {
        heard(&line);
        last = line;
    }
    let status = child.wait().await?;
    ensure!(status.success(), "ff ended with {status}: {last}");
    Ok(())
}
