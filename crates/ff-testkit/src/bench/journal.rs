//! Entries of journals: how many in a second, each on disk before anyone is told, and how long
//! until a watcher hears of one. All of it on one core.

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::report::{Goal, Row, Unit};
use crate::journey::process::Run;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let program = bench.settings.programs.join("examples/journal_bench");
    ensure!(
        program.exists(),
        "{} is not there: build the examples",
        program.display()
    );
    let dir = tempfile::Builder::new().prefix("ff-bench-").tempdir()?;
    let seconds = if bench.settings.quick { "1" } else { "5" };
    let said = Run::new("taskset")
        .args(["-c", "0"])
        .args([&program, dir.path()])
        .args([seconds])
        .text()
        .await?;
    let rounds = rounds(&said).with_context(|| format!("it said: {said}"))?;
    let column = |at: usize| rounds.iter().map(|round| round[at]).collect::<Vec<_>>();
    let rate = Row::new("journal, entries", Unit::PerSecond, column(0));
    let how = said.lines().next().unwrap_or_default().to_owned();
    let rate = rate.map(|row| row.goal(Goal::Least(20_000.0)).note(how));
    let late = Row::new("journal, p99 until told", Unit::Millis, column(3));
    let late = late.map(|row| row.goal(Goal::Most(10.0)));
    let middle = Row::new("  p50 until told", Unit::Millis, column(2));
    Ok([rate, late, middle].into_iter().flatten().collect())
}

/// The lines of five numbers: entries a second, entries, and the 50th, 99th and 100th percentile
/// of the time until a watcher heard of one, in milliseconds.
fn rounds(said: &str) -> Option<Vec<[f64; 5]>> {
    let round = |line: &str| {
        let numbers = line.split_whitespace().map(str::parse);
        <[f64; 5]>::try_from(numbers.collect::<Result<Vec<f64>, _>>().ok()?).ok()
    };
    let rounds: Vec<_> = said.lines().filter_map(round).collect();
    (!rounds.is_empty()).then_some(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_the_lines_of_numbers() {
        let said = "writers 128, in /tmp\n entries/s entries p50 p99 max\n 30000 9000 1.5 2.5 3.0\nmedian 30000 entries/s";
        assert_eq!(rounds(said), Some(vec![[30000.0, 9000.0, 1.5, 2.5, 3.0]]));
        assert_eq!(rounds("nothing here"), None);
    }
}
