//! The screen model beside a terminal of other make: tmux gets the same recorded bytes.
//!
//! At several cuts of each recording three things are compared, cell by cell with all attributes:
//! the model and tmux; tmux and a second tmux that was only now given the model's redraw; and the
//! same two when further bytes have come.

mod capture;
mod tmux;

use std::collections::BTreeMap;

use ff_core::terminal::model::{Limits, Model};
use ff_protocol::terminal::Size;

use self::capture::{Cell, cells};
use self::tmux::Pane;

const CUTS: usize = 9;

struct Recording {
    name: &'static str,
    size: Size,
    bytes: &'static [u8],
}

macro_rules! recording {
    ($name:literal, $cols:literal x $rows:literal) => {
        Recording {
            name: $name,
            size: Size {
                cols: $cols,
                rows: $rows,
            },
            bytes: include_bytes!(concat!("../fixtures/terminal/", $name, ".bin")),
        }
    };
}

const RECORDINGS: [Recording; 9] = [
    recording!("vim", 80 x 24),
    recording!("vim-and-back", 80 x 24),
    recording!("less", 80 x 24),
    recording!("htop", 100 x 30),
    recording!("git-log", 80 x 24),
    recording!("git-log-less", 80 x 24),
    recording!("progress-bar", 80 x 24),
    recording!("gh-auth-login", 80 x 24),
    recording!("claude", 100 x 30),
];

/// What may differ from tmux 3.3, and why. Each must be seen, or it is known no longer.
const KNOWN: [(&str, &str); 1] = [(
    "colour of erased cells",
    "capture-pane leaves out the cells at the end of a row that were only erased, so it does not \
     tell their colour. Here they are compared as blanks",
)];

/// How many cells differ in a known way.
type Known = BTreeMap<&'static str, u32>;

fn model_cells(model: &Model) -> Vec<Vec<Cell>> {
    let row = |row: Vec<_>| row.into_iter().map(Cell::of_view).collect();
    model.view().into_iter().map(row).collect()
}

fn differences(
    what: &str,
    got: &[Vec<Cell>],
    wanted: &[Vec<Cell>],
    known: &mut Known,
) -> Vec<String> {
    let mut found = Vec::new();
    for (row, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        for (col, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            if got.is_colored_blank() && wanted.is_untold() {
                *known.entry(KNOWN[0].0).or_insert(0) += 1;
            }
            if !got.is(wanted) {
                found.push(format!(
                    "{what}: row {row}, col {col}: {got:?} not {wanted:?}"
                ));
            }
        }
    }
    if got.len() != wanted.len() {
        found.push(format!("{what}: {} rows not {}", got.len(), wanted.len()));
    }
    found
}

/// Places to cut a recording, the last one its end.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    (1..=CUTS).map(|part| bytes.len() * part / CUTS).collect()
}

/// The same, but not in the middle of a sequence: the panes are given one of their own there.
fn cuts_at_rest(recording: &Recording) -> Vec<usize> {
    let wanted = cuts(recording.bytes);
    let mut model = Model::new(recording.size, Limits::default());
    let mut found = Vec::new();
    for (index, byte) in recording.bytes.iter().enumerate() {
        model.feed(&[*byte]);
        if wanted
            .get(found.len())
            .is_some_and(|wanted| index + 1 >= *wanted)
            && model.at_rest()
        {
            found.push(index + 1);
        }
    }
    found
}

#[test]
fn recorded_programs_look_as_they_do_in_tmux() {
    let mut found = Vec::new();
    let mut compared = BTreeMap::new();
    let mut known = Known::new();
    for recording in &RECORDINGS {
        let mut model = Model::new(recording.size, Limits::default());
        let never_left = Pane::start(recording.size);
        let reattached = Pane::start(recording.size);
        let mut from = 0;
        for to in cuts_at_rest(recording) {
            let piece = &recording.bytes[from..to];
            let place = format!("{} at byte {to}", recording.name);
            model.feed(piece);
            never_left.feed(piece);
            reattached.feed(piece);
            from = to;
            let shown = never_left.shown();
            let what = format!("{place}, tmux and the model");
            let by_tmux = cells(&shown, recording.size);
            found.extend(differences(
                &what,
                &model_cells(&model),
                &by_tmux,
                &mut known,
            ));
            *compared.entry(recording.name).or_insert(0) += 1;
            let later = cells(&reattached.shown(), recording.size);
            let what = format!("{place}, some time after a redraw");
            found.extend(differences(&what, &later, &by_tmux, &mut known));
            let redraw = model.redraw();
            reattached.feed(&redraw.screen);
            reattached.feed(redraw.scrollback.as_deref().unwrap_or_default());
            let again = reattached.shown();
            let what = format!("{place}, just after a redraw");
            found.extend(differences(
                &what,
                &cells(&again, recording.size),
                &by_tmux,
                &mut known,
            ));
        }
    }
    println!("compared with tmux, at so many cuts: {compared:?}");
    found
        .iter()
        .take(60)
        .for_each(|difference| println!("{difference}"));
    assert!(compared.len() == RECORDINGS.len() && compared.values().all(|cuts| *cuts >= CUTS - 1));
    assert!(found.is_empty(), "{} cells differ", found.len());
    for (what, why) in KNOWN {
        println!("known: {what}: {why}: {:?} cells", known.get(what));
        assert!(known.contains_key(what), "not seen any more: {what}");
    }
}

#[test]
fn a_viewer_that_reattaches_sees_what_one_sees_that_never_left() {
    for recording in &RECORDINGS {
        for cut in cuts(recording.bytes) {
            for cut in [cut.saturating_sub(7), cut] {
                let (before, live) = recording.bytes.split_at(cut);
                let mut model = Model::new(recording.size, Limits::default());
                model.feed(before);
                let redraw = model.redraw();
                let mut viewer = Model::new(recording.size, Limits::default());
                viewer.feed(b"\x1b[?1049hsomething else\x1b[7;41m");
                viewer.feed(&redraw.screen);
                viewer.feed(redraw.scrollback.as_deref().unwrap_or_default());
                assert_eq!(viewer.view(), model.view(), "{} at {cut}", recording.name);
                model.feed(live);
                viewer.feed(live);
                assert_eq!(
                    viewer.view(),
                    model.view(),
                    "{} after {cut}",
                    recording.name
                );
                assert_eq!(viewer.cursor(), model.cursor());
                assert_eq!(viewer.title(), model.title());
                assert_eq!(viewer.redraw(), model.redraw());
            }
        }
    }
}
