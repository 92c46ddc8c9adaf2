//! The fault suite of sessions: server, agent and CLI are killed in each moment of a turn, while
//! three clients follow.
//!
//! A moment is not waited for by time: the model stops in its stream, tools wait for a file,
//! processes are stopped, and the agent's database is held, so that a kill hits what it is meant
//! to. The verdict comes from outside: the agent's database, read in its container; a file that a
//! tool appends to; what the model was asked.

mod follower;
mod machine;
mod model;
mod moments;
mod scene;
mod schedule;
mod stage;
mod verdict;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

pub use schedule::{Kill, Moment, Victim};

use crate::chaos::random::Random;
use crate::journey::{Failure, Options};
use scene::{Missed, Scene};
use stage::Stage;

/// Failures after which the rest is not tried.
const MOST_FAILURES: usize = 5;
/// Sessions in which a moment may be missed, and the next.
const TRIES: usize = 3;
/// Longest wait for the stand-ins' address.
const TAKEN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff` and `ff-cloud`.
    pub programs: PathBuf,
    /// Image of the VMs.
    pub image: String,
    /// The same seed gives the same kills in the same order.
    pub seed: u64,
    /// How often each victim is killed in each moment.
    pub rounds: usize,
    /// Only kills whose name (`victim@moment/way`) contains this.
    pub only: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How often each victim was killed in each moment.
    pub hits: BTreeMap<(Victim, Moment), usize>,
    /// What did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// As a table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "seed {}\n\n{:12}{:24}{:>6}\n",
            self.seed, "victim", "moment", "hits"
        );
        for ((victim, moment), hits) in &self.hits {
            let _ = writeln!(text, "{:12}{:24}{hits:>6}", victim.name(), moment.name());
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {failure}");
        }
        text
    }
}

/// Does it all; `tell` hears of each kill.
///
/// # Errors
/// It cannot be begun: a program or the image is not there.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Result<Report> {
    let mut report = Report {
        seed: settings.seed,
        ..Report::default()
    };
    tell(&format!("seed {}", settings.seed));
    let mut kills = schedule::plan(
        &Victim::ALL,
        settings.rounds,
        &mut Random::new(settings.seed),
    );
    if let Some(only) = &settings.only {
        kills.retain(|kill| kill.to_string().contains(only));
    }
    for kill in &kills {
        report.hits.entry((kill.victim, kill.moment)).or_default();
    }
    let mut stage = begin(&settings).await?;
    let mut is_bare = false;
    for kill in kills {
        let begun = Instant::now();
        if kill.victim == Victim::BareAgent && !is_bare {
            is_bare = true;
            if let Err(error) = stage.make_bare().await {
                report.failures.push(format!("before {kill}: {error:#}"));
                drop(stage);
                stage = begin(&settings).await?;
                stage.make_bare().await?;
            }
        }
        let played = play(&mut stage, kill, &mut report).await;
        tell(&format!("{:>5.1} s  {kill}", begun.elapsed().as_secs_f32()));
        if let Err(error) = played {
            let failure = format!("{kill}: {error:#}");
            tell(&failure);
            report.failures.push(failure);
            if report.failures.len() >= MOST_FAILURES {
                return Ok(report);
            }
            drop(stage);
            stage = begin(&settings).await?;
            if is_bare {
                stage.make_bare().await?;
            }
        }
    }
    if let Err(error) = stage.verdict().await {
        report.failures.push(format!("at the end: {error:#}"));
    }
    for ((victim, moment), hits) in &report.hits {
        if *hits == 0 {
            let (victim, moment) = (victim.name(), moment.name());
            report
                .failures
                .push(format!("{victim} was never killed at {moment}"));
        }
    }
    Ok(report)
}

/// The stand-in for GitHub has one address: another one may still be giving it up.
async fn begin(settings: &Settings) -> Result<Stage> {
    let begun = Instant::now();
    loop {
        let options = Options {
            programs: settings.programs.clone(),
            image: settings.image.clone(),
            keep: false,
            cut: None,
            settings: Vec::new(),
        };
        match Stage::begin(options).await {
            Err(error) if is_taken(&error) && begun.elapsed() < TAKEN => {
                tokio::time::sleep(PAUSE).await;
            }
            begun => return begun,
        }
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|it| it.downcast_ref::<Failure>());
    let causes = causes.flat_map(|failure| failure.cause.chain());
    causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// Kills, in a session of its own; in another one if the moment was missed.
async fn play(stage: &mut Stage, kill: Kill, report: &mut Report) -> Result<()> {
    let mut tries = 1;
    loop {
        let said = stage.said.len();
        let mut scene = Scene::begin(stage, kill).await?;
        let played = scene.play().await;
        if scene.hit {
            *report.hits.entry((kill.victim, kill.moment)).or_default() += 1;
        }
        match played {
            Err(error) if error.is::<Missed>() && tries < TRIES => {
                tries += 1;
                scene.end().await?;
                // What was on its way may have come, or not.
                stage.said.truncate(said);
            }
            played => return played.and(scene.end().await),
        }
    }
}
