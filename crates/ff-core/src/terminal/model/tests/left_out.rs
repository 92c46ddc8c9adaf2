//! No step of a redraw can be left out.

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::state::State;
use super::stream::{Event, Life, life};
use super::{draw, size, viewer};
use crate::terminal::model::{Limits, Model};

/// All steps there are.
const STEPS: [&str; 50] = [
    "reset",
    "begin update",
    "colours",
    "titles",
    "saved origin mode",
    "saved position",
    "saved pending wrap",
    "saved charsets",
    "saved pen",
    "saved link",
    "save",
    "plain after saving",
    "primary screen",
    "keyboard",
    "cursor of the primary screen",
    "switch",
    "after the switch",
    "alternate screen",
    "keyboard of the alternate screen",
    "tab stops",
    "scroll region",
    "origin mode",
    "cursor",
    "pending wrap",
    "charsets",
    "cursor keys",
    "reverse video",
    "cursor blink",
    "keypad",
    "focus reports",
    "alternate scroll",
    "bracketed paste",
    "colour scheme reports",
    "size reports",
    "mouse",
    "mouse encoding",
    "no autowrap",
    "hidden cursor",
    "insert",
    "newline",
    "cursor shape",
    "other keys",
    "pen",
    "link",
    "end update",
    "last character",
    "single shift 2",
    "single shift 3",
    "unfinished sequence",
    "scrollback",
];
const LIVES: usize = 400;

#[test]
fn every_step_of_a_redraw_is_needed() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let (mut caught, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for number in 0..LIVES {
        let life = life(100).new_tree(&mut runner).unwrap().current();
        look(number, &life, &mut caught, &mut seen);
    }
    for step in STEPS {
        println!(
            "without {step:<32} {}",
            caught.get(step).map_or("not noticed", String::as_str)
        );
    }
    let never: Vec<_> = STEPS
        .iter()
        .filter(|step| !caught.contains_key(*step))
        .collect();
    assert!(
        never.is_empty(),
        "nothing noticed that these were left out: {never:?}"
    );
    let unknown: Vec<_> = seen.iter().filter(|step| !STEPS.contains(step)).collect();
    assert!(unknown.is_empty(), "not in the list of steps: {unknown:?}");
}

/// Leaves out each step at the end of each event, and notes those whose loss is seen.
fn look(
    number: usize,
    life: &Life,
    caught: &mut BTreeMap<&'static str, String>,
    seen: &mut BTreeSet<&'static str>,
) {
    let limits = Limits {
        lines: life.lines,
        ..Limits::default()
    };
    let mut model = Model::new(size(life.size.0, life.size.1), limits);
    let mut before = b"\x1b[?1049hdirty \x1b[1;44m\x1b(0".to_vec();
    for (event_number, event) in life.events.iter().enumerate() {
        match event {
            Event::Resize(cols, rows) => model.resize(size(*cols, *rows)),
            Event::Bytes((_, bytes)) => {
                model.feed(bytes);
                before.extend_from_slice(bytes);
            }
        }
        let steps = model.redraw_steps(Some(&model.scrollback));
        seen.extend(steps.iter().map(|step| step.name));
        let wanted = State::of(&model);
        let mut check = |name: &'static str, steps: &[_]| {
            if caught.contains_key(name) {
                return;
            }
            let mut viewer = viewer(&model, &before);
            let whole = draw(&mut viewer, steps);
            let differences = State::of(&viewer).differences(&wanted);
            if !whole || !differences.is_empty() {
                let first = differences.first().and_then(|text| text.lines().next());
                let what = first.unwrap_or("shown half drawn").trim_end_matches(':');
                let note = format!("life {number}, event {event_number}: {what}");
                caught.entry(name).or_insert(note);
            }
        };
        let mut whole = viewer(&model, &before);
        draw(&mut whole, &steps.iter().collect::<Vec<_>>());
        assert_eq!(
            State::of(&whole).differences(&wanted),
            [""; 0],
            "with all of them"
        );
        for left_out in steps.iter().map(|step| step.name) {
            let left: Vec<_> = steps.iter().filter(|step| step.name != left_out).collect();
            check(left_out, &left);
        }
        let without_lines = model.redraw_steps(None);
        check("scrollback", &without_lines.iter().collect::<Vec<_>>());
    }
}
