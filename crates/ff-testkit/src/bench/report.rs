//! Rows, their goals, and the table. Pure.

use serde::Serialize;

use super::facts::Facts;
use super::stats::{Ratio, Summary};

/// Pairs from which a ratio is held against its goal.
const FOR_RATIO: usize = 5;
/// Samples from which a median is held against its goal.
const FOR_P50: usize = 100;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Milliseconds of wall clock.
    Millis,
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// So many in a second.
    PerSecond,
    /// Microseconds of wall clock.
    Micros,
    /// Kilobytes of 1,000 bytes.
    Kilobytes,
    /// Gigabytes of 1,000,000,000 bytes in a second.
    GigabytesPerSecond,
    /// Seconds on a CPU for a gigabyte.
    SecondsPerGigabyte,
}

/// What a measurement must reach, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// Half and 99 of 100 samples at most so much.
    Percentiles {
        /// Most for the median.
        p50: f64,
        /// Most for the 99th percentile.
        p99: f64,
    },
    /// 99 of 100 samples at most so much.
    P99(f64),
    /// The median ratio to the reference at most this.
    Ratio(f64),
    /// The median ratio to the reference at least this.
    RatioAtLeast(f64),
    /// Every sample at most so much.
    Most(f64),
    /// Half of the samples at most so much.
    P50(f64),
    /// Half of the samples at least so much.
    Least(f64),
}

/// Whether a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It was.
    Met,
    /// It was not.
    Missed,
    /// Too few samples to say.
    TooFew,
}

/// A measurement, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Unit of the samples.
    pub unit: Unit,
    /// The samples in short.
    pub summary: Summary,
    /// How they compare with the reference.
    pub ratio: Option<Ratio>,
    /// What they must reach.
    pub goal: Option<Goal>,
    /// Whether they do.
    pub verdict: Option<Verdict>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// Every sample, in the order they were taken.
    pub samples: Vec<f64>,
}

impl Row {
    /// A row of these samples; `None` when there are none.
    pub fn new(what: impl Into<String>, unit: Unit, samples: Vec<f64>) -> Option<Self> {
        Some(Self {
            what: what.into(),
            unit,
            summary: Summary::of(&samples)?,
            ratio: None,
            goal: None,
            verdict: None,
            notes: Vec::new(),
            samples,
        })
    }

    /// Compares with the samples of a reference, pair by pair.
    pub fn against(mut self, reference: &[f64]) -> Self {
        self.ratio = Ratio::of(&self.samples, reference);
        self
    }

    /// Holds it against a goal.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.verdict = Some(judge(goal, &self.summary, self.ratio.as_ref()));
        self.goal = Some(goal);
        self
    }

    /// Adds what else a reader should know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

fn judge(goal: Goal, summary: &Summary, ratio: Option<&Ratio>) -> Verdict {
    let reached = match goal {
        // A missed median needs no 99th percentile to be a miss.
        Goal::Percentiles { p50, .. } if summary.p50 > p50 => Some(false),
        Goal::Percentiles { p99, .. } | Goal::P99(p99) => summary.p99.map(|found| found <= p99),
        Goal::Ratio(most) => ratio
            .filter(|ratio| ratio.pairs >= FOR_RATIO)
            .map(|ratio| ratio.median <= most),
        Goal::RatioAtLeast(least) => ratio
            .filter(|ratio| ratio.pairs >= FOR_RATIO)
            .map(|ratio| ratio.median >= least),
        Goal::Most(most) => Some(summary.max <= most),
        Goal::P50(most) => (summary.n >= FOR_P50).then_some(summary.p50 <= most),
        Goal::Least(least) => Some(summary.p50 >= least),
    };
    match reached {
        Some(true) => Verdict::Met,
        Some(false) => Verdict::Missed,
        None => Verdict::TooFew,
    }
}

/// All that a run found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Where it ran.
    pub machine: Facts,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What could not be measured, and why.
    pub failures: Vec<Failed>,
}

/// A measurement that could not be taken.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Its name.
    pub measurement: &'static str,
    /// Why.
    pub why: String,
}

const HEADS: [&str; 10] = [
    "what", "n", "p50", "p90", "p99", "min", "max", "ratio", "goal", "",
];

impl Report {
    /// The table, the machine, and what could not be measured, for people.
    pub fn text(&self) -> String {
        let mut lines = vec![HEADS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(cells));
        let mut text = aligned(&lines);
        text += "\nms, KB, MB and GB (10^3, 10^6, 10^9 bytes); ratio: median over pairs (25th to 75th percentile); p99 from 1,000 samples\n";
        for row in &self.rows {
            for note in &row.notes {
                text += &format!("- {}: {note}\n", row.what.trim_start());
            }
        }
        text += &format!("\n{}", self.machine.text());
        for failed in &self.failures {
            text += &format!("\nNOT MEASURED: {}: {}\n", failed.measurement, failed.why);
        }
        text
    }
}

fn cells(row: &Row) -> [String; 10] {
    let unit = match row.unit {
        Unit::Millis => "ms",
        Unit::Megabytes => "MB",
        Unit::PerSecond => "/s",
        Unit::Micros => "us",
        Unit::Kilobytes => "KB",
        Unit::GigabytesPerSecond => "GB/s",
        Unit::SecondsPerGigabyte => "s/GB",
    };
    let small = matches!(
        row.unit,
        Unit::GigabytesPerSecond | Unit::SecondsPerGigabyte
    );
    let all = &row.summary;
    let number = |value: f64| match small {
        true => format!("{value:.3}"),
        false => format!("{value:.1}"),
    };
    let none = || "-".to_owned();
    let ratio = row.ratio.as_ref().map_or_else(none, |ratio| {
        format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.p25, ratio.p75)
    });
    let goal = row.goal.map_or_else(none, |goal| match goal {
        Goal::Percentiles { p50, p99 } => format!("p50 <= {p50} {unit}, p99 <= {p99} {unit}"),
        Goal::P99(most) => format!("p99 <= {most} {unit}"),
        Goal::Ratio(most) => format!("<= {most}x"),
        Goal::RatioAtLeast(least) => format!(">= {least}x"),
        Goal::Most(most) => format!("<= {most} {unit}"),
        Goal::P50(most) => format!("p50 <= {most} {unit}"),
        Goal::Least(least) => format!("p50 >= {least} {unit}"),
    });
    let verdict = match row.verdict {
        Some(Verdict::Met) => "met",
        Some(Verdict::Missed) => "MISSED",
        Some(Verdict::TooFew) => "too few samples",
        None => "",
    };
    [
        row.what.clone(),
        all.n.to_string(),
        number(all.p50),
        number(all.p90),
        all.p99.map_or_else(none, number),
        number(all.min),
        number(all.max),
        ratio,
        goal,
        verdict.to_owned(),
    ]
}

fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            1..=6 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[f64]) -> Row {
        Row::new("a thing", Unit::Millis, samples.to_vec()).unwrap()
    }

    #[test]
    fn a_99th_percentile_is_judged_only_where_there_is_one() {
        let goal = Goal::P99(50.0);
        assert_eq!(row(&[1.0; 999]).goal(goal).verdict, Some(Verdict::TooFew));
        assert_eq!(row(&[1.0; 1000]).goal(goal).verdict, Some(Verdict::Met));
        assert_eq!(row(&[51.0; 1000]).goal(goal).verdict, Some(Verdict::Missed));
    }

    #[test]
    fn a_median_that_is_too_high_is_a_miss_for_itself() {
        let goal = Goal::Percentiles {
            p50: 30.0,
            p99: 60.0,
        };
        assert_eq!(row(&[31.0; 3]).goal(goal).verdict, Some(Verdict::Missed));
        assert_eq!(row(&[30.0; 3]).goal(goal).verdict, Some(Verdict::TooFew));
        assert_eq!(row(&[30.0; 1000]).goal(goal).verdict, Some(Verdict::Met));
    }

    #[test]
    fn a_ratio_needs_five_pairs() {
        let of = |n, each| {
            let row = row(&vec![each; n]).against(&vec![4.0; n]);
            row.goal(Goal::Ratio(1.25)).verdict
        };
        assert_eq!(of(4, 5.0), Some(Verdict::TooFew));
        assert_eq!(of(5, 5.0), Some(Verdict::Met));
        assert_eq!(of(5, 5.1), Some(Verdict::Missed));
        let at_least = |each| {
            let row = row(&[each; 5]).against(&[4.0; 5]);
            row.goal(Goal::RatioAtLeast(1.0)).verdict
        };
        assert_eq!(at_least(4.0), Some(Verdict::Met));
        assert_eq!(at_least(3.9), Some(Verdict::Missed));
        assert_eq!(
            row(&[1.0; 9]).goal(Goal::Ratio(1.25)).verdict,
            Some(Verdict::TooFew)
        );
    }

    #[test]
    fn one_sample_above_the_most_is_a_miss() {
        let judged = |samples: &[f64]| row(samples).goal(Goal::Most(80.0)).verdict;
        assert_eq!(judged(&[80.0]), Some(Verdict::Met));
        assert_eq!(judged(&[1.0, 80.1]), Some(Verdict::Missed));
    }

    #[test]
    fn a_median_has_its_bounds_on_either_side() {
        let at_most = |n, each| row(&vec![each; n]).goal(Goal::P50(5.0)).verdict;
        assert_eq!(at_most(99, 1.0), Some(Verdict::TooFew));
        assert_eq!(at_most(100, 5.0), Some(Verdict::Met));
        assert_eq!(at_most(100, 5.1), Some(Verdict::Missed));
        let at_least = |samples: &[f64]| row(samples).goal(Goal::Least(20.0)).verdict;
        assert_eq!(at_least(&[1.0, 20.0, 30.0]), Some(Verdict::Met));
        assert_eq!(at_least(&[1.0, 19.9, 30.0]), Some(Verdict::Missed));
    }

    #[test]
    fn the_table_keeps_its_columns() {
        let ours = row(&[2.0, 2.0, 4.0]).against(&[1.0; 3]);
        let report = Report {
            machine: Facts::default(),
            rows: vec![
                ours.goal(Goal::Ratio(1.25)).note("said"),
                row(&[1234.56; 1000]),
            ],
            failures: vec![Failed {
                measurement: "claim",
                why: "there is no pool".into(),
            }],
        };
        let text = report.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "what        n     p50     p90     p99     min     max  ratio             goal"
        );
        assert_eq!(
            lines[1],
            "a thing     3     2.0     4.0       -     2.0     4.0  2.00 (2.00-4.00)  <= 1.25x  too few samples"
        );
        assert_eq!(
            lines[2],
            "a thing  1000  1234.6  1234.6  1234.6  1234.6  1234.6  -                 -"
        );
        assert!(text.contains("- a thing: said\n"));
        assert!(text.contains("NOT MEASURED: claim: there is no pool"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rows"][0]["verdict"], "tooFew");
        assert_eq!(json["rows"][0]["samples"].as_array().unwrap().len(), 3);
    }
}
