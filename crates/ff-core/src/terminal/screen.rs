//! What the owner of a terminal and its viewers share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ff_protocol::Timestamp;
use ff_protocol::terminal::Size;
use tokio::sync::watch;

use super::input::Inputs;
use super::ring::Ring;
use super::sizes::Sizes;

const RING_BYTES: usize = 1 << 20;

/// State of a terminal; locked for moments only, never across a wait.
#[derive(Debug)]
pub(super) struct State {
    /// Its output.
    pub(super) ring: Ring,
    /// Its input.
    pub(super) inputs: Inputs,
    /// Its size.
    pub(super) sizes: Sizes,
    /// Exit code of its shell, and when that ended.
    pub(super) exited: Option<(i32, Timestamp)>,
}

/// The state with a bell that rings at every change.
#[derive(Debug)]
pub(super) struct Screen {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

impl Screen {
    /// An empty screen.
    pub(super) fn new(size: Size) -> Self {
        let state = State {
            ring: Ring::new(RING_BYTES),
            inputs: Inputs::default(),
            sizes: Sizes::new(size),
            exited: None,
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

    /// Changes the state and rings the bell.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.look());
        self.changes.send_replace(());
        result
    }

    /// The bell.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}
