//! The fault suite of terminals: links that go silent, a server that is killed, a VM that is
//! frozen, each while a program writes numbered lines and notes what is typed into it.
//!
//! The verdict comes from outside: the output is compared with what the program must have
//! written, and the file with its input, read in the container, with what was typed.

mod stage;
mod story;

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;

use crate::journey::Options;
use crate::link::Cut;
use stage::{Stage, Vm};
use story::{Seen, Story};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff` and `ff-cloud`.
    pub programs: PathBuf,
    /// Image of the VMs.
    pub image: String,
    /// How long links are silent, each in every way.
    pub cuts: Vec<Duration>,
    /// How long links are silent both ways, and in no other.
    pub long_cuts: Vec<Duration>,
    /// Longest wait for a VM to have nothing to do.
    pub idle: Duration,
}

/// What came of a story.
#[derive(Debug)]
pub struct Told {
    /// What happened in it.
    pub name: String,
    /// What its viewer saw.
    pub seen: String,
    /// How long it took.
    pub took: Duration,
}

/// What came of them all.
#[derive(Debug, Default)]
pub struct Report {
    /// Those that held.
    pub told: Vec<Told>,
    /// What did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// As a table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for told in &self.told {
            let (name, took, seen) = (&told.name, told.took.as_secs_f32(), &told.seen);
            let _ = writeln!(text, "{name:44}{took:>7.1} s  {seen}");
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {failure}");
        }
        text
    }

    fn add(&mut self, outcome: Result<Told, String>) {
        match outcome {
            Ok(told) => self.told.push(told),
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// What happens to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It is silent for a while.
    Cut(Cut),
    /// The connections there are get lost.
    Lost,
}

/// Does it all; `tell` hears of each story.
///
/// # Errors
/// It cannot be begun: a program or the image is not there.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Result<Report> {
    let options = Options {
        programs: settings.programs,
        image: settings.image,
        keep: false,
        cut: None,
        // Nothing sleeps unless it is told to.
        settings: vec!["--idle-freeze=86400".into(), "--idle-stop=172800".into()],
    };
    let mut stage = Stage::begin(options).await?;
    let mut report = Report::default();
    let ways = [
        Trouble::Cut(Cut::Up),
        Trouble::Cut(Cut::Down),
        Trouble::Cut(Cut::Both),
        Trouble::Lost,
    ];
    let short = settings.cuts.iter();
    let short = short.flat_map(|&lasts| ways.map(|trouble| (trouble, lasts)));
    let long = settings.long_cuts.iter();
    let long = long.map(|&lasts| (Trouble::Cut(Cut::Both), lasts));
    let cuts = short
        .chain(long)
        .enumerate()
        .map(async |(nth, (trouble, lasts))| {
            let name = format!("{trouble:?} for {} s", lasts.as_secs());
            let playing = through(&stage.vm, format!("cut{nth}"), trouble, lasts);
            told(name, playing, &tell).await
        });
    let freezing = async {
        let playing = async {
            let vm = stage.another_vm("sleeper").await?;
            frozen(&vm, settings.idle).await
        };
        told("VM frozen and woken by a key".into(), playing, &tell).await
    };
    let (cuts, freeze) = tokio::join!(join_all(cuts), freezing);
    for outcome in cuts.into_iter().chain([freeze]) {
        report.add(outcome);
    }
    let killing = killed(&mut stage);
    let killed = told("server killed and started again".into(), killing, &tell).await;
    report.add(killed);
    Ok(report)
}

/// How a story went; its failure has its name.
async fn told(
    name: String,
    playing: impl Future<Output = Result<Seen>>,
    tell: impl Fn(&str),
) -> Result<Told, String> {
    let begun = Instant::now();
    let outcome = match Box::pin(playing).await {
        Ok(seen) => Ok(Told {
            seen: seen.to_string(),
            took: begun.elapsed(),
            name,
        }),
        Err(error) => Err(format!("{name}: {error:#}")),
    };
    match &outcome {
        Ok(told) => tell(&format!("{}: {}", told.name, told.seen)),
        Err(failure) => tell(&format!("FAILED {failure}")),
    }
    outcome
}

/// Time before a trouble, and after it, in which lines are written and typed.
const AROUND: Duration = Duration::from_secs(3);

async fn through(vm: &Vm, name: String, trouble: Trouble, lasts: Duration) -> Result<Seen> {
    let story = Story::begin(vm, &name, lasts + 2 * AROUND).await?;
    let link = Arc::clone(&story.link);
    let made = link.made();
    let cutting = async {
        tokio::time::sleep(AROUND).await;
        match trouble {
            Trouble::Cut(cut) => {
                link.cut(cut);
                tokio::time::sleep(lasts).await;
                link.cut(Cut::None);
            }
            Trouble::Lost => link.lose(),
        }
        Ok(())
    };
    let ((), seen) = tokio::try_join!(cutting, story.play(async { Ok(()) }))?;
    if trouble == Trouble::Lost {
        let again = link.made() - made;
        ensure!(seen.reconnects > 0 && again > 0, "nobody noticed: {seen}");
    }
    Ok(seen)
}

async fn killed(stage: &mut Stage) -> Result<Seen> {
    let story = Story::begin(&stage.vm, "killed", 3 * AROUND).await?;
    let killing = async {
        tokio::time::sleep(AROUND).await;
        stage.world.kill_server().await?;
        tokio::time::sleep(AROUND).await;
        stage.world.start_server_again().await
    };
    let ((), seen) = tokio::try_join!(killing, story.play(async { Ok(()) }))?;
    ensure!(seen.reconnects > 0, "nobody noticed: {seen}");
    Ok(seen)
}

async fn frozen(vm: &Vm, idle: Duration) -> Result<Seen> {
    let story = Story::slow(vm, "frozen").await?;
    let asleep = async {
        vm.freeze(idle).await?;
        tokio::time::sleep(AROUND).await;
        ensure!(vm.is_frozen().await?, "it woke by itself");
        Ok(())
    };
    let seen = story.play(asleep).await?;
    ensure!(!vm.is_frozen().await?, "it sleeps on");
    Ok(seen)
}
