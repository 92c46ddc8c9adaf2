//! An engine of our own beside the machine's: everything it has is its own, and it may be killed.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::bridge::Bridge;
use super::docker::Docker;
use crate::journey::process::{eventually, tail};

const UP: Duration = Duration::from_secs(60);
const DOWN: Duration = Duration::from_secs(30);
const IMAGE: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(50);
const KILLED: i32 = 9;

/// An engine and its containerd. Dropping it ends both, with all they have.
#[derive(Debug)]
pub struct Engine {
    containerd: Option<Child>,
    dockerd: Option<Child>,
    bridge: Bridge,
    dir: TempDir,
}

/// Where an engine's traces would be.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    bridge: String,
}

impl Engine {
    /// A bridge and a containerd; the engine itself does not run yet.
    ///
    /// # Errors
    /// A program is missing, or we are not root.
    pub async fn new() -> Result<Self> {
        let mut engine = Self {
            containerd: None,
            dockerd: None,
            bridge: Bridge::new()?,
            dir: tempfile::Builder::new().prefix("ff-engine-").tempdir()?,
        };
        // Its own also where the machine's engine shares one.
        let text = format!(
            "version = 2\nroot = '{0}/c'\nstate = '{0}/cs'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{0}/c.sock'\n",
            engine.path().display()
        );
        std::fs::write(engine.path().join("containerd.toml"), text)?;
        std::fs::write(engine.path().join("daemon.json"), "{}")?;
        let config = engine.path().join("containerd.toml").display().to_string();
        engine.containerd = Some(engine.spawn("containerd", &["--config", &config])?);
        let socket = engine.path().join("c.sock");
        eventually("containerd answers", UP, async || {
            Ok(socket.exists().then_some(()))
        })
        .await
        .with_context(|| engine.log("containerd"))?;
        Ok(engine)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path().join("d.sock").display())
    }

    /// The `docker` command for it.
    pub fn docker(&self) -> Docker {
        Docker {
            host: Some(self.host()),
        }
    }

    /// Where it has what must be gone after it.
    pub fn place(&self) -> Place {
        Place {
            dir: self.path().to_owned(),
            bridge: self.bridge.name().to_owned(),
        }
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// It does not, with what it said.
    pub async fn start(&mut self, live_restore: bool) -> Result<()> {
        self.spawn_engine(live_restore)?;
        let docker = self.docker();
        eventually("an engine of our own answers", UP, async || {
            let answer = docker.command(["version"]).outcome().await?;
            ensure!(self.lives(), "it has ended");
            Ok((answer.code == 0).then_some(()))
        })
        .await
        .with_context(|| self.log("dockerd"))
    }

    fn spawn_engine(&mut self, live_restore: bool) -> Result<()> {
        let (host, dir) = (self.host(), self.path().display().to_string());
        // That of a killed one; its process may be another's by now.
        let _ = std::fs::remove_file(self.path().join("d.pid"));
        let args = [
            "--config-file".to_owned(),
            format!("{dir}/daemon.json"),
            "--host".to_owned(),
            host,
            format!("--containerd={dir}/c.sock"),
            format!("--data-root={dir}/d"),
            format!("--exec-root={dir}/x"),
            format!("--pidfile={dir}/d.pid"),
            format!("--bridge={}", self.bridge.name()),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--ip-forward=false".to_owned(),
            "--ip-masq=false".to_owned(),
            format!("--live-restore={live_restore}"),
        ];
        self.dockerd = Some(self.spawn("dockerd", &args.each_ref().map(String::as_str))?);
        Ok(())
    }

    fn spawn(&self, program: &str, args: &[&str]) -> Result<Child> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join(program))?;
        Command::new(program)
            .args(args)
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {program}"))
    }

    /// Kills it, and nothing of what it has started.
    ///
    /// # Errors
    /// It had ended by itself.
    pub fn kill(&mut self) -> Result<()> {
        let mut dockerd = self.dockerd.take().context("the engine does not run")?;
        dockerd.kill()?;
        let status = dockerd.wait()?;
        ensure!(
            status.signal() == Some(KILLED),
            "the engine ended by itself: {status}; {}",
            self.log("dockerd")
        );
        Ok(())
    }

    /// Copies an image of the machine's engine into it.
    ///
    /// # Errors
    /// One of them refuses.
    pub async fn load(&self, image: &str) -> Result<()> {
        let mut save = tokio::process::Command::new("docker")
            .args(["save", image])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let tar: Stdio = save.stdout.take().context("no pipe")?.try_into()?;
        let load = tokio::process::Command::new("docker")
            .args(["--host", &self.host(), "load", "--quiet"])
            .stdin(tar)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .status();
        let (saved, loaded) = tokio::time::timeout(IMAGE, async {
            let loaded = load.await?;
            anyhow::Ok((save.wait().await?, loaded))
        })
        .await
        .context("the image is not copied in time")??;
        ensure!(saved.success() && loaded.success(), "cannot copy {image}");
        Ok(())
    }

    fn lives(&self) -> bool {
        let pid = self.dockerd.as_ref().map(Child::id);
        pid.is_some_and(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            // That of a process that has ended is empty.
            line.is_ok_and(|line| !line.is_empty())
        })
    }

    fn log(&self, program: &str) -> String {
        let text = std::fs::read_to_string(self.path().join(program)).unwrap_or_default();
        format!("{program} said: {}", tail(text.trim(), 2000))
    }

    /// Blocks: it also runs when all has failed.
    fn end(&mut self) -> Result<()> {
        if self.containerd.is_some() {
            // Containers outlive their engine, frozen ones even a signal: an engine ends them.
            if !self.lives() {
                self.spawn_engine(false)?;
            }
            self.remove_containers()?;
        }
        for child in [self.dockerd.take(), self.containerd.take()] {
            child.map_or(Ok(()), ended)?;
        }
        for mount in mounts(self.path()).iter().rev() {
            Command::new("umount").args(["--lazy", mount]).status()?;
        }
        Ok(())
    }

    fn remove_containers(&self) -> Result<()> {
        let begun = Instant::now();
        let docker = |args: &[&str]| {
            let host = ["--host", &self.host()].map(str::to_owned);
            Command::new("docker").args(host).args(args).output()
        };
        loop {
            let found = docker(&["ps", "--all", "--quiet"])?;
            let ids = String::from_utf8_lossy(&found.stdout).into_owned();
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if found.status.success() && ids.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > UP {
                bail!("containers {ids:?} are left; {}", self.log("dockerd"));
            }
            docker(&[&["rm", "--force", "--volumes"], &ids[..]].concat())?;
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            let dir = self.path().display();
            tracing::error!(%error, %dir, "parts of an engine may be left");
        }
    }
}

/// Asks a child to end, and makes it end.
fn ended(mut child: Child) -> Result<()> {
    let pid = child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > DOWN {
            child.kill()?;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Mounts below a directory, each before those within it.
fn mounts(dir: &Path) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = all.lines().filter_map(|line| line.split(' ').nth(4));
    let below = points.filter(|point| Path::new(point).starts_with(dir));
    below.map(str::to_owned).collect()
}

impl Place {
    /// What is left of an engine that has ended.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = mounts(&self.dir)
            .into_iter()
            .map(|mount| format!("the mount {mount}"))
            .collect();
        let dir = self.dir.display().to_string();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            if line.contains(&dir) {
                left.push(format!("the process {}", line.replace('\0', " ")));
            }
        }
        if self.dir.exists() {
            left.push(format!("the directory {dir}"));
        }
        if Path::new("/sys/class/net").join(&self.bridge).exists() {
            left.push(format!("the bridge {}", self.bridge));
        }
        left
    }
}
