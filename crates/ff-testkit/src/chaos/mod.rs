//! The fault suite: the real server on the real engine is killed at each of its crash points and
//! started again, and parts are broken under it. The verdict comes from the database's file, the
//! engine and the processes, never from the server.

mod bridge;
mod docker;
mod engine;
mod engine_killed;
mod faults;
mod freeze;
mod kill;
pub(crate) mod random;
mod schedule;
mod server;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

pub use faults::Fault;

use docker::Docker;
use random::Random;
use schedule::{Operation, Schedule};
use world::World;

/// Failures after which the rest is not tried.
const MOST_FAILURES: usize = 5;
/// Who has the VM that wakes and sleeps.
const SLEEPER: &str = "ada";
/// Who has VMs that come and go.
const GUEST: &str = "grace";

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff-cloud`.
    pub programs: PathBuf,
    /// Image of the VMs; it stays as it is.
    pub image: String,
    /// The same seed gives the same schedules.
    pub seed: u64,
    /// How many schedules; if there is none, each point once, and no fault that takes long.
    pub schedules: Option<usize>,
    /// Only schedules of this point, or this fault.
    pub only: Option<String>,
}

/// What happened to a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How often a server came to it.
    pub hits: usize,
    /// How often it was killed there.
    pub kills: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// All points of the server.
    pub points: BTreeMap<String, Count>,
    /// Faults that were survived.
    pub faults: Vec<&'static str>,
    /// What did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// Adds what a world's servers noted.
    fn count(&mut self, log: &str) {
        for line in log.lines() {
            // Those of hand-offs have a suite of their own.
            if line.contains(" handoff.") {
                continue;
            }
            match line.split_once(' ') {
                Some(("has", point)) => drop(self.points.entry(point.to_owned()).or_default()),
                Some(("hit", point)) => self.points.entry(point.to_owned()).or_default().hits += 1,
                _ => {}
            }
        }
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "seed {}\n\n{:24}{:>6}{:>7}\n",
            self.seed, "point", "hits", "kills"
        );
        for (point, count) in &self.points {
            let _ = writeln!(text, "{point:24}{:>6}{:>7}", count.hits, count.kills);
        }
        let _ = writeln!(text, "\nsurvived: {}", self.faults.join(", "));
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {failure}");
        }
        text
    }
}

/// Does it all; `tell` hears of each step.
///
/// # Errors
/// It cannot be begun: a program or the image is not there.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Result<Report> {
    let mut report = Report {
        seed: settings.seed,
        ..Default::default()
    };
    tell(&format!("seed {}", settings.seed));
    let mut random = Random::new(settings.seed);
    let mut world = begin(&settings).await?;
    report.count(&world.points()?);
    let points: Vec<String> = report.points.keys().cloned().collect();
    let chosen = |name: &str| settings.only.as_deref().is_none_or(|only| only == name);
    let wanted: Vec<String> = points.iter().filter(|it| chosen(it)).cloned().collect();
    let count = settings.schedules.unwrap_or(wanted.len());
    for schedule in schedule::plan(&wanted, count, &mut random) {
        let begun = Instant::now();
        let user = who(schedule.operation);
        let Schedule { point, operation } = &schedule;
        let name = format!("{point} ({operation:?})");
        match world.play(&schedule, user).await {
            Ok(()) => report.points.entry(point.clone()).or_default().kills += 1,
            Err(error) => {
                report.failures.push(format!("{name}: {error:#}"));
                report.count(&hit_lines(&world));
                world = begin(&settings).await?;
            }
        }
        tell(&format!("{:>5.1} s  {name}", begun.elapsed().as_secs_f32()));
        if report.failures.len() >= MOST_FAILURES {
            return Ok(report);
        }
    }
    let short = settings.schedules.is_none() && settings.only.is_none();
    let mut faults = Fault::ALL.to_vec();
    faults.retain(|fault| chosen(fault.name()) && !(short && fault.takes_long()));
    for fault in &faults {
        let begun = Instant::now();
        match world.suffer(*fault, &mut random).await {
            Ok(()) => report.faults.push(fault.name()),
            Err(error) => {
                let name = fault.name();
                report.failures.push(format!("{name}: {error:#}"));
                report.count(&hit_lines(&world));
                world = begin(&settings).await?;
            }
        }
        tell(&format!(
            "{:>5.1} s  {}",
            begun.elapsed().as_secs_f32(),
            fault.name()
        ));
    }
    if let Err(error) = last_words(&mut world).await {
        report.failures.push(format!("at the end: {error:#}"));
    }
    report.count(&hit_lines(&world));
    drop(world);
    if settings.only.is_none() && count >= points.len() {
        for (point, count) in &report.points {
            if count.kills == 0 {
                let why = format!("the server was never killed at {point}");
                report.failures.push(why);
            }
        }
    }
    Ok(report)
}

async fn begin(settings: &Settings) -> Result<World> {
    let mut world = World::new(settings, Docker::default()).await?;
    world.start(None, 0).await?;
    if let Some(server) = &world.server
        && server.address.is_none()
    {
        bail!("{}", server.said("does not start"));
    }
    Ok(world)
}

/// What hits there were; a report counts them once, at a world's end.
fn hit_lines(world: &World) -> String {
    let log = world.points().unwrap_or_default();
    let hits = log.lines().filter(|line| line.starts_with("hit "));
    hits.map(|line| format!("{line}\n")).collect()
}

/// Commands work in every VM there is.
async fn last_words(world: &mut World) -> Result<()> {
    for user in [SLEEPER, GUEST] {
        if world.row(user).await?.is_some() {
            world.command_works(user).await?;
        }
    }
    world.verdict().await
}

fn who(operation: Operation) -> &'static str {
    match operation.need() {
        schedule::Need::None => GUEST,
        _ if operation.ends_vm() => GUEST,
        _ => SLEEPER,
    }
}
