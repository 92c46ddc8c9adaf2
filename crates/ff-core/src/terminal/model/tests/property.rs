//! "Redraw and live bytes" equals "all bytes", at every cut.

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError, TestCaseResult, TestRunner};

use super::state::State;
use super::stream::{Event, Life, life};
use super::{Counts, draw, size, viewer};
use crate::terminal::model::{Limits, Model};

/// What each life must have shown at least once, or the cases show less than they claim.
const NEEDED: [&str; 22] = [
    "ascii",
    "wide",
    "combining",
    "attributes",
    "saved cursor",
    "tab stops",
    "charset",
    "single shift",
    "title",
    "link",
    "palette",
    "dcs, apc, pm, sos",
    "region",
    "keyboard",
    "alternate screen",
    "arbitrary bytes",
    "resize",
    "cut in a sequence",
    "cut in a character",
    "cut with a wrap pending",
    "cut in the alternate screen",
    "cut with lines scrolled away",
];

fn same(what: &str, got: &State, wanted: &State) -> TestCaseResult {
    let differences = got.differences(wanted);
    if differences.is_empty() {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{what}: {}",
        differences.join("\n")
    )))
}

/// Draws a new viewer, checks both ways of it, and gives the viewer.
fn reattach(model: &Model, before: &[u8]) -> Result<Model, TestCaseError> {
    let mut first = viewer(model, before);
    first.feed(&model.redraw().screen);
    same(
        "the screen",
        &State::of_screen(&first),
        &State::of_screen(model),
    )?;
    let mut all = viewer(model, before);
    let steps = model.redraw_steps(Some(&model.scrollback));
    let whole = draw(&mut all, &steps.iter().collect::<Vec<_>>());
    prop_assert!(whole, "shown half drawn");
    same("all of it", &State::of(&all), &State::of(model))?;
    Ok(all)
}

fn note(model: &Model, counts: &Counts) {
    let unfinished = model.parser.unfinished();
    match unfinished.first() {
        Some(0x1b) => counts.add("cut in a sequence"),
        Some(_) => counts.add("cut in a character"),
        None => counts.add("cut at rest"),
    }
    if model.cursor.pending {
        counts.add("cut with a wrap pending");
    }
    if model.alternate.is_some() {
        counts.add("cut in the alternate screen");
    }
    if model.scrollback_lines() > 0 {
        counts.add("cut with lines scrolled away");
    }
}

/// Cuts a life at every byte. At a few of the cuts a viewer stays and sees the rest.
fn try_life(life: &Life, counts: &Counts) -> TestCaseResult {
    let limits = Limits {
        lines: life.lines,
        ..Limits::default()
    };
    let mut model = Model::new(size(life.size.0, life.size.1), limits);
    let mut stayed: Vec<Model> = Vec::new();
    let mut seen = Vec::new();
    for event in &life.events {
        match event {
            Event::Resize(cols, rows) => {
                counts.add("resize");
                model.resize(size(*cols, *rows));
                stayed
                    .iter_mut()
                    .for_each(|viewer| viewer.resize(size(*cols, *rows)));
                stayed.push(reattach(&model, &seen)?);
            }
            Event::Bytes((kind, bytes)) => {
                counts.add(kind);
                for byte in bytes {
                    model.feed(&[*byte]);
                    stayed.iter_mut().for_each(|viewer| viewer.feed(&[*byte]));
                    seen.push(*byte);
                    note(&model, counts);
                    let now = reattach(&model, &seen[..seen.len() / 2])?;
                    if seen.len() % 16 == 7 {
                        stayed.push(now);
                    }
                }
            }
        }
    }
    let end = State::of(&model);
    stayed
        .iter()
        .try_for_each(|viewer| same("later", &State::of(viewer), &end))
}

fn run(cases: u32, name: &str, resizes: u32) {
    let counts = Counts::default();
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel(
            "proptest-regressions",
        ))),
        ..ProptestConfig::default()
    };
    let strategy = life(resizes);
    if let Err(error) = TestRunner::new(config).run(&strategy, |life| try_life(&life, &counts)) {
        panic!("{error}");
    }
    counts.told(name, &NEEDED);
}

#[test]
fn a_redraw_is_as_good_as_all_bytes() {
    run(300, "redraw", 300);
}

#[test]
fn a_redraw_is_as_good_as_all_bytes_with_many_sizes() {
    run(100, "redraw with many sizes", 3_000);
}
