//! The suite of working states: random repositories go `ff` -> `ff-cloud` -> `ff-agent`, are
//! changed there and come back, most of them with agents as plain processes, some in containers.
//!
//! The verdict comes from outside: [`states::look`](crate::states::look) asks git, `find` and
//! `sha256sum` on both sides.

mod play;
pub(crate) mod stage;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use crate::states::{Story, Table, stories};
use stage::Stage;

/// Failures after which the rest is not tried.
const MOST_FAILURES: usize = 10;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff`, `ff-cloud` and `ff-agent`.
    pub programs: PathBuf,
    /// Image of the VMs.
    pub image: String,
    /// The same seed gives the same repositories.
    pub seed: u64,
    /// How many repositories go to agents that are plain processes.
    pub repositories: usize,
    /// How many go to a container.
    pub on_docker: usize,
    /// How often each kind has to come.
    pub fewest: usize,
    /// Only the repository of this number.
    pub only: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How often each kind came.
    pub table: Table,
    /// What did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// As a table.
    pub fn text(&self) -> String {
        let mut text = format!("seed {}\n\n{}", self.seed, self.table.text());
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {failure}");
        }
        text
    }
}

/// Does it all; `tell` hears of each repository.
///
/// # Errors
/// It cannot be begun: a program or the image is not there.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Result<Report> {
    let mut report = Report {
        seed: settings.seed,
        ..Report::default()
    };
    tell(&format!("seed {}", settings.seed));
    let all = stories(settings.seed, settings.repositories + settings.on_docker);
    let numbered: Vec<(usize, Story)> = all
        .into_iter()
        .enumerate()
        .filter(|(number, _)| settings.only.is_none_or(|only| only == *number))
        .collect();
    let docker = |number: &usize| *number >= settings.repositories;
    for in_container in [false, true] {
        let mut mine = numbered
            .iter()
            .filter(|(number, _)| docker(number) == in_container)
            .peekable();
        if mine.peek().is_none() {
            continue;
        }
        let stage = match in_container {
            false => Stage::with_processes(&settings).await?,
            true => Stage::with_docker(&settings).await?,
        };
        for (number, story) in mine {
            let begun = Instant::now();
            let found = match play::play(&stage, *number, story).await {
                Ok(found) => found,
                Err(error) => vec![format!("{error:#}")],
            };
            report.table.add(story);
            let took = begun.elapsed().as_secs_f32();
            let (place, kinds) = (stage.name(), &story.kinds);
            tell(&format!("{took:>5.1} s  {number} {place} {kinds:?}"));
            for failure in found {
                tell(&failure);
                report
                    .failures
                    .push(format!("{number} {place} {kinds:?}: {failure}"));
            }
            if report.failures.len() >= MOST_FAILURES {
                return Ok(report);
            }
        }
    }
    if settings.only.is_none() {
        report.failures.extend(report.table.rare(settings.fewest));
    }
    Ok(report)
}
