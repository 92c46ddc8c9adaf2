//! A desktop, a server and a VM, all plain processes of this machine, with a git host that is a
//! directory. What is killed is started again, as a supervisor would.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Settings;
use super::disk::Disk;
use super::harm::Done;
use super::plan::{Point, Program, Side, Way};
use super::server::{Server, USER};
use super::vm::{self, Place, Vm};
use super::wire::Wire;
use crate::container::Image;
use crate::handoff_states::stage::{make_remote, prepare_home, run_ff};
use crate::journey::process::{Ran, Run, tail};

/// Between two looks at who has died.
const LOOK: Duration = Duration::from_millis(20);
/// So many of them between two looks at what has still to be settled.
const LOOKS: usize = 10;
/// Crash points of moves: those of VMs have a suite of their own.
const OURS: [&str; 5] = ["handoff.", "leave.", "arrive.", "both.", "move."];

/// The world; dropping it ends all of it, in the order of what it has.
pub(super) struct World {
    pub(super) wire: Wire,
    pub(super) server: Server,
    pub(super) vm: Vm,
    /// What is written for the git host.
    remotes: PathBuf,
    /// Of the VMs, with what shows their agents the way to their ticket.
    _image: Option<Image>,
    /// Of the desktop, the server and of VMs that are processes; empty when they have none of their own.
    pub(super) disks: Disks,
    pub(super) harm: Option<Done>,
    programs: PathBuf,
    dir: tempfile::TempDir,
}

/// Disks, of which a later one may lie on an earlier one.
#[derive(Debug, Default)]
pub(super) struct Disks(Vec<Disk>);

impl Disks {
    /// One of them.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn get(&self, number: usize) -> Result<&Disk> {
        self.0.get(number).context("there are no disks")
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// A program is not there, or disks are wanted and cannot be mounted.
    pub(super) async fn new(settings: &Settings) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ff-moves-").tempdir()?;
        let in_containers = settings.image.is_some();
        let with_disks = match in_containers {
            true => &["desktop", "data"][..],
            false => &["desktop", "data", "data/process"],
        };
        let mut disks = Disks::default();
        for name in with_disks {
            let path = dir.path().join(name);
            std::fs::create_dir_all(&path)?;
            if settings.full_disks {
                disks.0.push(Disk::mount(&path)?);
            }
        }
        let image = settings.image.as_deref();
        let image = image.map(|it| Image::with(it, "FF_CRASH_TICKET", vm::TICKET));
        let image = image.transpose()?;
        let name = image.as_ref().map(Image::name);
        let mut server = Server::start(&settings.programs, dir.path(), name).await?;
        let vm = Vm::make(&mut server, in_containers, settings.full_disks).await?;
        let remotes = vm.git_host(dir.path().join("remotes"))?;
        vm.prepare(&remotes)?;
        let world = Self {
            wire: Wire::start(server.address()).await?,
            server,
            vm,
            remotes,
            _image: image,
            disks,
            harm: None,
            programs: settings.programs.clone(),
            dir,
        };
        prepare_home(&world.desktop(), &world.remotes)?;
        let url = format!("http://{}", world.wire.address());
        let connect = ["cloud", "connect", &url, "--user", USER];
        world.ff(&connect).ok().await?;
        Ok(world)
    }

    /// The desktop's home.
    pub(super) fn desktop(&self) -> PathBuf {
        self.dir.path().join("desktop")
    }

    /// The home on a side, as a directory of this machine.
    pub(super) fn home(&self, side: Side) -> PathBuf {
        match side {
            Side::Desktop => self.desktop(),
            Side::Cloud => self.vm.home().to_owned(),
        }
    }

    /// A directory of this machine in the home on a side, as that side's user has it.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn place(&self, side: Side, dir: PathBuf) -> Result<Place> {
        match side {
            Side::Desktop => Ok(Place::here(self.desktop(), dir)),
            Side::Cloud => self.vm.place(dir),
        }
    }

    /// The server's database.
    pub(super) fn database(&self) -> PathBuf {
        self.server.data().join("cloud.db")
    }

    /// A bare repository at the git host, and its address.
    ///
    /// # Errors
    /// git fails.
    pub(super) async fn remote(&self, name: &str) -> Result<(PathBuf, String)> {
        make_remote(&self.remotes, name).await
    }

    /// A run of `ff`.
    pub(super) fn ff(&self, args: &[&str]) -> Run {
        run_ff(&self.programs, &self.desktop(), args.iter().copied())
            .env("FF_CRASH_TICKET", self.ticket(Program::Desktop))
    }

    /// Bytes that went to and from the server.
    pub(super) fn carried(&self) -> (u64, u64) {
        self.wire.carried()
    }

    /// Where a program looks for the point at which it is to die.
    pub(super) fn ticket(&self, of: Program) -> PathBuf {
        match of {
            Program::Desktop => self.dir.path().join("desktop.ticket"),
            Program::Server => self.server.ticket(),
            Program::Agent => self.vm.ticket().unwrap_or_else(|| self.server.ticket()),
        }
    }

    /// Where a program notes the points it comes to.
    pub(super) fn log(&self, of: Program) -> PathBuf {
        self.ticket(of).with_extension("ticket.log")
    }

    /// The logs of a side's programs.
    fn logs(&self, side: Side) -> Vec<PathBuf> {
        let of = match side {
            Side::Desktop => &[Program::Desktop][..],
            Side::Cloud => &[Program::Server, Program::Agent],
        };
        let mut logs: Vec<_> = of.iter().map(|it| self.log(*it)).collect();
        logs.dedup();
        logs
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
        self.server.mend().await?;
        Ok(dies)
    }

    /// The points that both sides came to since the last look, in order, each once.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn hits(&self) -> Result<Vec<Point>> {
        self.noted("hit ")
    }

    /// All points that the programs have.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn points(&self) -> Result<Vec<Point>> {
        self.noted("has ")
    }

    fn noted(&self, kind: &str) -> Result<Vec<Point>> {
        let mut points: Vec<Point> = Vec::new();
        for side in [Side::Desktop, Side::Cloud] {
            for log in self.logs(side) {
                let log = std::fs::read_to_string(log)?;
                let names = log.lines().filter_map(|line| line.strip_prefix(kind));
                for name in names.filter(|name| OURS.iter().any(|it| name.starts_with(it))) {
                    let name = name.to_owned();
                    let point = Point { side, name };
                    if !points.contains(&point) {
                        points.push(point);
                    }
                }
            }
        }
        Ok(points)
    }

    /// Forgets what was come to; what points there are stays known.
    ///
    /// # Errors
    /// A log cannot be written.
    pub(super) fn forget_hits(&self) -> Result<()> {
        let logs = [Side::Desktop, Side::Cloud].map(|side| self.logs(side));
        for log in logs.into_iter().flatten() {
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
        let server = std::fs::read_to_string(self.server.log()).unwrap_or_default();
        let agent = self.vm.said();
        format!(
            "--- server\n{}\n--- agent\n{}",
            tail(&server, 3000),
            tail(&agent, 3000)
        )
    }
}

impl Drop for World {
    /// A server would start its agents again, and a home that is a disk cannot be removed.
    fn drop(&mut self) {
        let _ = self.server.kill();
        self.vm.let_go();
    }
}

/// How many bytes more a way carries before it is cut.
pub(super) fn share(carried: (u64, u64), way: Way) -> u64 {
    match way {
        Way::Up => carried.0,
        Way::Down => carried.1,
    }
}
