//! The redraw of a screen of 200x50 characters with 10,000 lines above it, of several contents.

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::report::{Goal, Row, Unit};
use crate::journey::process::Run;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let program = bench.settings.programs.join("examples/screen_bench");
    ensure!(
        program.exists(),
        "{} is not there: build the examples",
        program.display()
    );
    let megabytes = if bench.settings.quick { "1" } else { "32" };
    let said = Run::new(program).args([megabytes]).text().await?;
    let contents = contents(&said).with_context(|| format!("it said: {said}"))?;
    let column = |at: usize| {
        contents
            .iter()
            .map(|content| content[at])
            .collect::<Vec<_>>()
    };
    let row = |what, unit, at, goal| {
        Row::new(what, unit, column(at)).map(|row| row.goal(Goal::Most(goal)))
    };
    let rows = [
        row("redraw of 200x50, first", Unit::Millis, 1, 20.0),
        row("redraw of 200x50, all", Unit::Millis, 2, 100.0),
        row("memory of a terminal", Unit::Megabytes, 3, 8.0),
        Row::new("output taken by a screen, MB", Unit::PerSecond, column(0)),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// The last four numbers of each line that has them: megabytes taken in a second, milliseconds
/// until the first screen is drawn and until all is, and megabytes of memory.
fn contents(said: &str) -> Option<Vec<[f64; 4]>> {
    let numbers = |line: &str| {
        let (_, numbers) = line.split_once("  ")?;
        let numbers = numbers.split_whitespace().take(4).map(str::parse);
        <[f64; 4]>::try_from(numbers.collect::<Result<Vec<f64>, _>>().ok()?).ok()
    };
    let contents: Vec<_> = said.lines().filter_map(numbers).collect();
    (!contents.is_empty()).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_the_lines_of_numbers() {
        let said = "200x50\ncontent   feed MB/s  all ms\nplain text, 72 wide    134  0.5  1.5  1.40\n\
                    colours, 200 wide  24  5  6  6.61 (1643 lines kept)";
        let wanted = vec![[134.0, 0.5, 1.5, 1.4], [24.0, 5.0, 6.0, 6.61]];
        assert_eq!(contents(said), Some(wanted));
        assert_eq!(contents("nothing here"), None);
    }
}
