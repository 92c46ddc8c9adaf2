//! Raw mode of the user's own terminal, given back on every way out.

use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::Context as _;
use ff_protocol::terminal::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The mode before ours, while ours is set. Process-wide, because the terminal is.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static PANIC_HOOK: Once = Once::new();

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raw mode while it lives.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Sets raw mode on stdin.
    ///
    /// # Errors
    /// stdin is no terminal.
    pub fn enter() -> anyhow::Result<Self> {
        PANIC_HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                next(panic);
            }));
        });
        let stdin = std::io::stdin();
        let old = tcgetattr(stdin.as_fd()).context("reading the terminal's mode")?;
        let mut raw = old.clone();
        raw.make_raw();
        // Kept before the change, so that there is no moment without a way back.
        before().get_or_insert(old);
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw)
            .context("setting the terminal's mode")?;
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal the mode it had; without raw mode nothing happens.
pub fn restore() {
    if let Some(old) = before().take() {
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Flush, &old);
    }
}

/// Size of the user's terminal, or the usual one where there is none.
pub fn size() -> Size {
    match tcgetwinsize(std::io::stdout().as_fd()) {
        Ok(window) if window.ws_col > 0 && window.ws_row > 0 => Size {
            cols: window.ws_col,
            rows: window.ws_row,
        },
        _ => Size::default(),
    }
}
