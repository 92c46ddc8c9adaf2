//! The model against itself: a redraw is as good as having seen every byte.

mod bounded;
mod known;
mod left_out;
mod property;
mod state;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use ff_protocol::terminal::Size;

use super::redraw::Step;
use super::{Limits, Model};

/// How often something was generated.
#[derive(Default)]
struct Counts(RefCell<BTreeMap<String, u32>>);

impl Counts {
    fn add(&self, what: &str) {
        *self.0.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    fn told(&self, name: &str, needed: &[&str]) {
        let counts = self.0.borrow();
        println!("{name}: {counts:?}");
        for what in needed {
            assert!(counts.contains_key(*what), "{name}: never {what}");
        }
    }
}

fn size(cols: u16, rows: u16) -> Size {
    Size { cols, rows }
}

fn model(cols: u16, rows: u16, bytes: &[u8]) -> Model {
    let mut model = Model::new(size(cols, rows), Limits::default());
    model.feed(bytes);
    model
}

/// A viewer's terminal of the model's size, in whatever state other bytes have left it.
fn viewer(model: &Model, before: &[u8]) -> Model {
    let (cols, rows) = (model.width as u16, model.height as u16);
    let mut viewer = Model::new(size(cols, rows), model.limits);
    viewer.feed(before);
    viewer
}

/// Gives a viewer a redraw. False if the screen was ever shown half drawn.
fn draw(viewer: &mut Model, steps: &[&Step]) -> bool {
    let mut whole = true;
    let mut ended = false;
    for step in steps {
        viewer.feed(&step.bytes);
        ended |= step.name == "end update";
        whole &= step.name == "reset" || ended || viewer.modes.synchronized;
    }
    whole
}
