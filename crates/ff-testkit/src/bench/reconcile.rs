//! Reconciling ten thousand rows on simulated machines, by the server's own account of each pass.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::{Bench, crowd};

const ROWS: usize = 10_000;
const QUICK_ROWS: usize = 1000;
/// Restarts after which a server finds everything at rest.
const RESTARTS: usize = 5;
const PASS: Duration = Duration::from_secs(120);
/// Passes after which rows that still move are not at rest, but restless.
const PASSES: usize = 20;

/// One pass, as the server's log tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pass {
    rows: u64,
    moved: u64,
    millis: f64,
}

impl Pass {
    fn of(line: &Value) -> Result<Self> {
        let field = |name: &str| {
            line[name]
                .as_f64()
                .with_context(|| format!("no {name} in {line}"))
        };
        let whole = |name: &str| field(name).map(|value| value as u64);
        Ok(Self {
            rows: whole("rows")?,
            moved: whole("moved")?,
            millis: field("millis")?,
        })
    }
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let rows = if bench.settings.quick {
        QUICK_ROWS
    } else {
        ROWS
    };
    let mut server = Server::start(&bench.settings, Kind::Sim).await?;
    next(&mut server).await.context(
        "this ff-cloud does not log its passes (`reconciled` with rows, moved and millis)",
    )?;
    // A simulated VM that is awake takes two of the server's files: ten thousand are more than a
    // usual limit of 20,000 allows.
    crowd::make(bench, &server, "reconcile", rows, true).await?;
    server.skip_log()?;
    let living = next(&mut server).await?;
    // Simulated machines end with their server: after a restart every row has lost its own.
    server.restart().await?;
    let mut passes = vec![next(&mut server).await?];
    while passes.last().is_some_and(|pass| pass.moved > 0) {
        ensure!(passes.len() < PASSES, "rows still move: {passes:?}");
        passes.push(next(&mut server).await?);
    }
    let mut resting = Vec::new();
    for _ in 0..RESTARTS {
        server.restart().await?;
        let pass = next(&mut server).await?;
        ensure!(pass.moved == 0, "rows at rest moved: {pass:?}");
        resting.push(pass.millis);
    }
    server.stop().await?;
    ensure!(
        passes[0].rows >= rows as u64,
        "{} of {rows} rows were looked at",
        passes[0].rows
    );
    Ok(shown(rows, living, &passes, resting))
}

fn shown(rows: usize, living: Pass, passes: &[Pass], resting: Vec<f64>) -> Vec<Row> {
    let all: f64 = passes.iter().map(|pass| pass.millis).sum();
    let moved: Vec<String> = passes.iter().map(|pass| pass.moved.to_string()).collect();
    let row = |what: &str, samples| {
        Row::new(
            format!("reconcile {rows} rows: {what}"),
            Unit::Millis,
            samples,
        )
    };
    let hard = row("every machine lost, until at rest", vec![all])
        .map(|row| row.note(format!("rows moved by each pass: {}", moved.join(", "))));
    let living = row("half awake, half stopped", vec![living.millis]);
    let resting = row("at rest, after a start", resting);
    [hard, living, resting]
        .into_iter()
        .flatten()
        .map(|row| {
            if rows == ROWS {
                row.goal(Goal::Most(1000.0))
            } else {
                row
            }
        })
        .collect()
}

async fn next(server: &mut Server) -> Result<Pass> {
    Pass::of(&server.logged("reconciled", PASS).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pass_is_read_from_the_log() {
        let line = json!({ "message": "reconciled", "rows": 3, "moved": 1, "millis": 2.5 });
        let pass = Pass::of(&line).unwrap();
        assert_eq!((pass.rows, pass.moved, pass.millis), (3, 1, 2.5));
        let error = Pass::of(&json!({ "rows": 3, "moved": 1 })).unwrap_err();
        assert!(error.to_string().contains("millis"), "{error}");
    }

    #[test]
    fn the_passes_until_rest_count_together() {
        let pass = |moved, millis| Pass {
            rows: 10_000,
            moved,
            millis,
        };
        let passes = [pass(10_000, 900.0), pass(0, 200.0)];
        let rows = shown(ROWS, pass(0, 100.0), &passes, vec![50.0, 60.0]);
        assert_eq!(rows[0].samples, [1100.0]);
        assert_eq!(rows[0].verdict, Some(crate::bench::report::Verdict::Missed));
        assert_eq!(rows[2].summary.n, 2);
        assert_eq!(shown(10, pass(0, 1.0), &passes, vec![1.0])[0].verdict, None);
    }
}
