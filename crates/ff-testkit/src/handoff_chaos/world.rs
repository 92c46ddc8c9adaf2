//! A desktop, a server and a VM, all plain processes of this machine, with a git host that is a
//! directory. What is killed is started again, as a supervisor would.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ff_client::{Auth, CloudClient};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::disk::Disk;
use super::plan::{Harm, Place, Side, Victim, Way};
use super::wire::Wire;
use crate::handoff_states::stage::{make_remote, prepare_home, run_ff};
use crate::journey::process::{Ran, Run, eventually, free_port, tail};

const UP: Duration = Duration::from_secs(60);
/// Between two looks at who has died.
const LOOK: Duration = Duration::from_millis(20);
/// So many of them between two looks at what has still to be settled.
const LOOKS: usize = 10;
/// How long a disk stays full.
const FULL: Duration = Duration::from_secs(2);
const USER: &str = "ada";
/// Crash points of moves: those of VMs have a suite of their own.
const OURS: [&str; 5] = ["handoff.", "leave.", "arrive.", "both.", "move."];

/// The world; dropping it ends all of it.
pub(super) struct World {
    dir: tempfile::TempDir,
    programs: PathBuf,
    address: SocketAddr,
    wire: Wire,
    server: Option<Child>,
    vm_home: PathBuf,
    /// Of the desktop, the server and the VM; empty when they have none of their own.
    disks: Vec<Disk>,
    harm: Option<Done>,
}

/// A harm that is set up, and how far it has come.
#[derive(Debug)]
struct Done {
    harm: Harm,
    hit: bool,
    full_since: Option<Instant>,
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// A program is not there, or disks are wanted and cannot be mounted.
    pub(super) async fn new(programs: &Path, with_disks: bool) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ff-moves-").tempdir()?;
        let mut disks = Vec::new();
        for name in ["desktop", "data", "data/process"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(&path)?;
            if with_disks {
                disks.push(Disk::mount(&path)?);
            }
        }
        std::fs::create_dir(dir.path().join("remotes"))?;
        let address = free_port()?;
        let mut world = Self {
            vm_home: PathBuf::new(),
            programs: programs.to_owned(),
            wire: Wire::start(address).await?,
            server: None,
            harm: None,
            address,
            disks,
            dir,
        };
        world.start_server().await?;
        let url = format!("http://{address}");
        let vm = CloudClient::new(&url, Auth::User(USER.parse()?))?;
        let vm = vm.create_vm(None).await?;
        world.vm_home = world.path(&format!("data/process/{}/home", vm.id));
        for home in [world.desktop(), world.vm_home.clone()] {
            prepare_home(&home, &world.path("remotes"))?;
        }
        let url = format!("http://{}", world.wire.address());
        let connect = ["cloud", "connect", &url, "--user", USER];
        world.ff(&connect).ok().await?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The desktop's home.
    pub(super) fn desktop(&self) -> PathBuf {
        self.path("desktop")
    }

    /// The home in the VM.
    pub(super) fn vm(&self) -> &Path {
        &self.vm_home
    }

    /// The server's database.
    pub(super) fn database(&self) -> PathBuf {
        self.path("data/cloud.db")
    }

    /// A bare repository at the git host, and its address.
    ///
    /// # Errors
    /// git fails.
    pub(super) async fn remote(&self, name: &str) -> Result<(PathBuf, String)> {
        make_remote(&self.path("remotes"), name).await
    }

    /// A run of `ff`.
    pub(super) fn ff(&self, args: &[&str]) -> Run {
        run_ff(&self.programs, &self.desktop(), args.iter().copied())
            .env("FF_CRASH_TICKET", self.ticket(Side::Desktop))
    }

    /// Bytes that went to and from the server.
    pub(super) fn carried(&self) -> (u64, u64) {
        self.wire.carried()
    }

    fn ticket(&self, side: Side) -> PathBuf {
        self.path(match side {
            Side::Desktop => "desktop.ticket",
            Side::Cloud => "cloud.ticket",
        })
    }

    fn log(&self, side: Side) -> PathBuf {
        self.ticket(side).with_extension("ticket.log")
    }

    async fn start_server(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("server.log"))?;
        let mut command = Command::new(self.programs.join("ff-cloud"));
        for name in ["DATABASE_URL", "FF_CLOUD_DATABASE_URL"] {
            command.env_remove(name);
        }
        let child = command
            .args(["serve", "--dev", "--provider", "process"])
            .args(["--idle-stop=172800", "--idle-freeze=86400"])
            .args(["--listen", &self.address.to_string(), "--data-dir"])
            .arg(self.path("data"))
            .arg("--agent-binary")
            .arg(self.programs.join("ff-agent"))
            .env("FF_CRASH_TICKET", self.ticket(Side::Cloud))
            .env("FF_CRASH_LOG", self.log(Side::Cloud))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start ff-cloud")?;
        self.server = Some(child);
        let url = format!("http://{}", self.address);
        let client = CloudClient::new(&url, Auth::User(USER.parse()?))?;
        eventually("the server answers", UP, async || {
            Ok(client.healthz().await.is_ok().then_some(()))
        })
        .await
    }

    /// Starts the server again if it has died.
    async fn mend(&mut self) -> Result<()> {
        let ended = match &mut self.server {
            Some(server) => server.try_wait()?.is_some(),
            None => true,
        };
        match ended {
            true => self.start_server().await,
            false => Ok(()),
        }
    }

    /// Sets a harm up.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn arm(&mut self, harm: &Harm, at: u64) -> Result<()> {
        match harm {
            Harm::Killed(place) => std::fs::write(self.ticket(place.side), &place.point)?,
            Harm::Full(place) => {
                let text = format!("{} stop", place.point);
                std::fs::write(self.ticket(place.side), text)?;
            }
            Harm::Cut(way, _) => self.wire.cut_after(*way, at),
        }
        self.harm = Some(Done {
            harm: harm.clone(),
            hit: false,
            full_since: None,
        });
        Ok(())
    }

    /// Ends a harm; whether it came about.
    ///
    /// # Errors
    /// A disk cannot be given room again.
    pub(super) fn disarm(&mut self) -> Result<bool> {
        let Some(done) = self.harm.take() else {
            return Ok(false);
        };
        match &done.harm {
            Harm::Killed(place) => Ok(std::fs::remove_file(self.ticket(place.side)).is_err()),
            Harm::Full(place) => {
                let there = std::fs::remove_file(self.ticket(place.side)).is_ok();
                if done.full_since.is_some() {
                    self.disk_of(place)?.free()?;
                }
                Ok(done.hit && !there)
            }
            Harm::Cut(..) => {
                self.wire.spare();
                Ok(done.hit)
            }
        }
    }

    /// Runs `ff` while somebody looks after server and harm. `None`: it was killed.
    ///
    /// # Errors
    /// The server does not start again, or `ff` takes too long.
    pub(super) async fn supervised(&mut self, args: &[&str]) -> Result<Option<Ran>> {
        let mut running = std::pin::pin!(self.ff(args).outcome());
        loop {
            tokio::select! {
                ran = &mut running => return Ok(Some(ran?)),
                () = tokio::time::sleep(LOOK) => {}
            }
            // Dropped, it is killed.
            if self.look_after().await? {
                return Ok(None);
            }
        }
    }

    /// Starts again what has died, and goes on with the harm; whether `ff` is to die now.
    ///
    /// # Errors
    /// It cannot be done.
    pub(super) async fn look_after(&mut self) -> Result<bool> {
        let dies = self.go_on_with_harm()?;
        self.mend().await?;
        Ok(dies)
    }

    fn go_on_with_harm(&mut self) -> Result<bool> {
        let Some(mut done) = self.harm.take() else {
            return Ok(false);
        };
        let went_on = self.one_step(&mut done);
        self.harm = Some(done);
        went_on
    }

    fn one_step(&mut self, done: &mut Done) -> Result<bool> {
        match &done.harm {
            Harm::Full(place) if !done.hit => {
                if let Some(stopped) = self.stopped(place.side)? {
                    self.disk_of(place)?.fill()?;
                    (done.hit, done.full_since) = (true, Some(Instant::now()));
                    kill_process(stopped, Signal::CONT)?;
                }
            }
            Harm::Full(place) if done.full_since.is_some_and(|it| it.elapsed() > FULL) => {
                self.disk_of(place)?.free()?;
                done.full_since = None;
            }
            Harm::Cut(_, victim) if !done.hit && !self.wire.is_to_cut() => {
                done.hit = true;
                match victim {
                    Victim::Nobody => {}
                    Victim::Desktop => return Ok(true),
                    Victim::Server => {
                        if let Some(server) = &mut self.server {
                            server.start_kill()?;
                        }
                    }
                    Victim::Agent => kill_process(self.agent()?, Signal::KILL)?,
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Who stopped at a point, as the ticket asked.
    fn stopped(&self, side: Side) -> Result<Option<Pid>> {
        if self.ticket(side).exists() {
            return Ok(None);
        }
        let log = std::fs::read_to_string(self.log(side))?;
        let mut stopped = log.lines().filter_map(|line| line.strip_prefix("stopped "));
        let pid = stopped.next_back().and_then(|pid| pid.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        Ok(state.is_some_and(|it| it.starts_with('T')).then_some(pid))
    }

    fn disk_of(&self, place: &Place) -> Result<&Disk> {
        let at = match place.side {
            Side::Desktop => 0,
            Side::Cloud if place.point.starts_with("handoff.") => 1,
            Side::Cloud => 2,
        };
        self.disks.get(at).context("there are no disks")
    }

    fn agent(&self) -> Result<Pid> {
        let record = self.vm_home.with_file_name("machine.json");
        let record: Value = serde_json::from_slice(&std::fs::read(record)?)?;
        let pid = record["run"]["pid"].as_i64().map(i32::try_from);
        pid.and_then(Result::ok)
            .and_then(Pid::from_raw)
            .with_context(|| format!("no agent runs: {record}"))
    }

    /// The points that both sides came to since the last look, in order, each once.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn hits(&self) -> Result<Vec<Place>> {
        self.noted("hit ")
    }

    /// All points that the programs have.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn points(&self) -> Result<Vec<Place>> {
        self.noted("has ")
    }

    fn noted(&self, kind: &str) -> Result<Vec<Place>> {
        let mut places: Vec<Place> = Vec::new();
        for side in [Side::Desktop, Side::Cloud] {
            let log = std::fs::read_to_string(self.log(side))?;
            let names = log.lines().filter_map(|line| line.strip_prefix(kind));
            for name in names.filter(|name| OURS.iter().any(|it| name.starts_with(it))) {
                let point = name.to_owned();
                let place = Place { side, point };
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Ok(places)
    }

    /// Forgets what was come to; what points there are stays known.
    ///
    /// # Errors
    /// A log cannot be written.
    pub(super) fn forget_hits(&self) -> Result<()> {
        for log in [Side::Desktop, Side::Cloud].map(|side| self.log(side)) {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let has = text.lines().filter(|line| line.starts_with("has "));
            let has: String = has.map(|line| format!("{line}\n")).collect();
            std::fs::write(log, has)?;
        }
        Ok(())
    }

    /// Waits for something, while somebody looks after server and harm.
    ///
    /// # Errors
    /// It does not come.
    pub(super) async fn until(
        &mut self,
        within: Duration,
        mut ask: impl AsyncFnMut(&Self) -> Result<Vec<String>>,
    ) -> Result<()> {
        let begun = Instant::now();
        let (mut asked, mut every) = (Instant::now(), Duration::from_secs(2));
        loop {
            self.look_after().await?;
            let missing = ask(self).await;
            match missing {
                Ok(missing) if missing.is_empty() => return Ok(()),
                missing if begun.elapsed() > within => {
                    let missing = missing?.join("; ");
                    bail!("not settled after {} s: {missing}", within.as_secs())
                }
                _ => {}
            }
            for _ in 0..LOOKS {
                tokio::time::sleep(LOOK).await;
                self.look_after().await?;
            }
            // What the user looks at is settled then.
            if asked.elapsed() > every {
                self.supervised(&["workspace", "list"]).await?;
                (asked, every) = (Instant::now(), every * 2);
            }
        }
    }

    /// The end of what server and agent said.
    pub(super) fn said(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let (server, agent) = (
            read(&self.path("server.log")),
            read(&self.vm_home.with_file_name("agent.log")),
        );
        format!(
            "--- server\n{}\n--- agent\n{}",
            tail(&server, 3000),
            tail(&agent, 3000)
        )
    }
}

impl Drop for World {
    /// Agents outlive their server; each has a mark in its environment.
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.start_kill();
        }
        let mark = format!("@{}/data/process/", self.dir.path().display());
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
        // A disk on another one goes first.
        while self.disks.pop().is_some() {}
    }
}

/// How many bytes more a way carries before it is cut.
pub(super) fn share(carried: (u64, u64), way: Way) -> u64 {
    match way {
        Way::Up => carried.0,
        Way::Down => carried.1,
    }
}
