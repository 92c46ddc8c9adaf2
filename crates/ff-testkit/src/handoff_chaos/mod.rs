//! The fault suite of moves: `ff`, server and agent are killed at each crash point of a move, in both
//! directions and while a move is given up; their disks are full from there on; the stream between
//! them is cut. Agents are in containers of the built image, or plain processes.
//!
//! The verdict comes from outside: git, `find` and `sha256sum` on both sides, and the databases'
//! files.

mod disk;
mod harm;
mod plan;
mod scene;
mod server;
mod verdict;
mod vm;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::chaos::random::Random;
use plan::{Harm, Operation, Point, Schedule, deal};
use scene::Scene;
use world::World;

/// Failures after which the rest is not tried.
const MOST_FAILURES: usize = 10;
/// Workspaces in one world, and the next.
const IN_ONE_WORLD: usize = 40;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff`, `ff-cloud` and `ff-agent`.
    pub programs: PathBuf,
    /// Image of the VMs; without one they are plain processes.
    pub image: Option<String>,
    /// The same seed gives the same schedules.
    pub seed: u64,
    /// How many schedules, each before any comes again; `None`: each once.
    pub schedules: Option<usize>,
    /// Whether disks become full, too: that needs root.
    pub full_disks: bool,
    /// Only schedules whose name (`operation@side:point/harm`) contains this.
    pub only: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How often each came about that was planned.
    pub hits: BTreeMap<String, usize>,
    /// What did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// As a table.
    pub fn text(&self) -> String {
        let all: usize = self.hits.values().sum();
        let fewest = self.hits.values().min().copied().unwrap_or_default();
        let mut text = format!(
            "seed {}\n\n{:56}{:>6}\n",
            self.seed, "operation@point/harm", "hits"
        );
        for (name, hits) in &self.hits {
            let _ = writeln!(text, "{name:56}{hits:>6}");
        }
        let kinds = self.hits.len();
        let _ = writeln!(
            text,
            "{kinds} kinds, {all} hits, each {fewest} times at least"
        );
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {failure}");
        }
        text
    }
}

/// Does it all; `tell` hears of each schedule.
///
/// # Errors
/// It cannot be begun: a program is not there, or full disks are wanted and there is no root.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Result<Report> {
    tell(&format!("seed {}", settings.seed));
    let mut report = Report {
        seed: settings.seed,
        ..Report::default()
    };
    let mut random = Random::new(settings.seed);
    let mut world = World::new(&settings).await?;
    let Calm {
        plan,
        carried,
        missed,
    } = calm(&mut world, &settings, &mut random).await?;
    report.failures.extend(missed);
    let mut schedules = plan;
    if let Some(only) = &settings.only {
        schedules.retain(|it| it.to_string().contains(only));
    }
    let count = settings.schedules.unwrap_or(schedules.len());
    tell(&format!("{count} of {} schedules", schedules.len()));
    let dealt = deal(&schedules, count, &mut random);
    for (number, schedule) in dealt.iter().enumerate() {
        if number % IN_ONE_WORLD == IN_ONE_WORLD - 1 {
            drop(world);
            world = World::new(&settings).await?;
        }
        let begun = Instant::now();
        let name = schedule.to_string();
        let count = report.hits.entry(name.clone()).or_default();
        let seed = random.number();
        let carried = carried[&schedule.operation];
        let played = play(&mut world, number, schedule, seed, carried).await;
        let took = begun.elapsed().as_secs_f32();
        let told = match played {
            Ok(true) => {
                *count += 1;
                String::new()
            }
            Ok(false) => " (missed)".to_owned(),
            Err(error) => {
                report.failures.push(format!("{number} {name}: {error:#}"));
                let said = world.said();
                drop(world);
                world = World::new(&settings).await?;
                format!(" FAILED {error:#}\n{said}")
            }
        };
        tell(&format!("{took:>5.1} s  {number} {name}{told}"));
        if report.failures.len() >= MOST_FAILURES {
            return Ok(report);
        }
    }
    let missed = report.hits.iter().filter(|(_, hits)| **hits == 0);
    let missed: Vec<_> = missed
        .map(|(name, _)| format!("{name} never came"))
        .collect();
    report.failures.extend(missed);
    Ok(report)
}

async fn play(
    world: &mut World,
    number: usize,
    schedule: &Schedule,
    seed: u64,
    carried: (u64, u64),
) -> Result<bool> {
    let mut scene = Scene::begin(world, &format!("move-{number}"), seed).await?;
    let harm: &Harm = &schedule.harm;
    let played = scene.play(world, schedule.operation, Some((harm, carried)));
    Ok(played.await?.hit)
}

/// What nothing in the way shows.
struct Calm {
    plan: Vec<Schedule>,
    carried: BTreeMap<Operation, (u64, u64)>,
    /// Points that no operation comes to.
    missed: Vec<String>,
}

/// Each operation with nothing in the way shows what it comes to.
async fn calm(world: &mut World, settings: &Settings, random: &mut Random) -> Result<Calm> {
    let (mut plan, mut carried) = (Vec::new(), BTreeMap::new());
    let mut seen: Vec<Point> = Vec::new();
    for operation in Operation::ALL {
        let name = format!("calm-{operation:?}").to_lowercase();
        let mut scene = Scene::begin(world, &name, random.number()).await?;
        world.forget_hits()?;
        let played = scene.play(world, operation, None).await;
        let played = played.with_context(|| name)?;
        carried.insert(operation, played.carried);
        plan.extend(plan::all(operation, &played.came_to, settings.full_disks));
        seen.extend(played.came_to);
    }
    let points = world.points()?;
    let came = |point: &Point| seen.iter().any(|it| it.name == point.name);
    let missed = points.iter().filter(|point| !came(point));
    let missed = missed.map(|it| format!("nobody comes to {it}")).collect();
    Ok(Calm {
        plan,
        carried,
        missed,
    })
}
