//! What the owner of a terminal and its viewers share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ff_protocol::Timestamp;
use ff_protocol::terminal::{Exit, Size};
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::TerminalConfig;
use super::input::Inputs;
use super::model::Model;
use super::names::Name;
use super::picture::{Picture, Pictures};
use super::ring::Ring;
use super::sizes::Sizes;
use super::viewers::Viewers;

/// State of a terminal; locked for moments only, never across a wait.
#[derive(Debug)]
pub(super) struct State {
    /// Its display name.
    pub(super) name: Name,
    /// The output that is kept.
    pub(super) ring: Ring,
    /// Its input.
    pub(super) inputs: Inputs,
    /// Its size.
    pub(super) sizes: Sizes,
    /// Who watches.
    pub(super) viewers: Viewers,
    /// How its shell ended, and when.
    pub(super) exited: Option<(Exit, Timestamp)>,
    model: Model,
    pictures: Pictures,
}

impl State {
    /// Gives it another name.
    pub(super) fn rename(&mut self, mut name: Name) {
        if self.exited.is_some() {
            name.let_go();
        }
        self.name = name;
    }

    /// Its shell has ended.
    pub(super) fn end(&mut self, exit: Exit, at: Timestamp) {
        self.name.let_go();
        self.exited = Some((exit, at));
    }

    /// Takes what the program put out.
    pub(super) fn output(&mut self, bytes: &[u8]) {
        self.ring.push(bytes);
        self.model.feed(bytes);
        self.tidy();
    }

    /// Lets go of what nobody needs any more; gives the moment of the next time.
    pub(super) fn tidy(&mut self) -> Option<Instant> {
        self.pictures.tidy(Instant::now());
        self.pictures.until()
    }

    /// The terminal has another size.
    pub(super) fn resized(&mut self, size: Size) {
        self.model.resize(size);
        self.pictures.outdate();
    }

    /// The screen as it is about now; what came since then is in the ring.
    ///
    /// # Errors
    /// When to ask again.
    pub(super) fn picture(&mut self) -> Result<Picture, Instant> {
        let Self {
            ring,
            model,
            pictures,
            ..
        } = self;
        let draw = || Picture::new(ring.end(), model.redraw());
        pictures.get(Instant::now(), |last| ring.keeps(last.offset), draw)
    }
}

/// The state with a bell that rings at every change.
#[derive(Debug)]
pub(super) struct Screen {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

impl Screen {
    /// An empty screen.
    pub(super) fn new(name: Name, size: Size, config: &TerminalConfig) -> Self {
        let state = State {
            name,
            ring: Ring::new(config.ring_bytes),
            inputs: Inputs::default(),
            sizes: Sizes::new(size),
            viewers: Viewers::default(),
            exited: None,
            model: Model::new(size, config.limits()),
            pictures: Pictures::default(),
        };
        Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(()),
        }
    }

    /// The state, to look at.
    pub(super) fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings the bell.
    pub(super) fn ring(&self) {
        self.changes.send_replace(());
    }

    /// Changes the state and rings the bell.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.look());
        self.ring();
        result
    }

    /// The bell.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}
