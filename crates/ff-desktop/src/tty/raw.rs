//! The user's own terminal while a program elsewhere has it: raw mode, and what that program has
//! switched on; all given back on every way out.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::Context as _;
use ff_protocol::terminal::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::modes::Modes;
use crate::output::write_out;

/// The mode before ours, while ours is set. Process-wide, because the terminal is.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// What the program has switched on meanwhile.
static MODES: Mutex<Option<Modes>> = Mutex::new(None);
static PANIC_HOOK: Once = Once::new();

fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        locked(&BEFORE).get_or_insert(old);
        locked(&MODES).get_or_insert_default();
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw)
            .context("setting the terminal's mode")?;
        Ok(Self(()))
    }

    /// Shows output of the program.
    ///
    /// # Errors
    /// stdout cannot be written to.
    pub fn show(&self, output: &[u8]) -> anyhow::Result<()> {
        if let Some(modes) = locked(&MODES).as_mut() {
            modes.look(output);
        }
        write_out(output)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was; without raw mode nothing happens.
pub fn restore() {
    // Whoever panics may hold it.
    let modes = MODES.try_lock().ok().and_then(|mut modes| modes.take());
    if let Some(modes) = modes {
        let mut stdout = std::io::stdout();
        // When even that fails there is nobody to tell.
        let _ = stdout.write_all(&modes.restoring());
        let _ = stdout.flush();
    }
    let before = BEFORE.try_lock().ok().and_then(|mut before| before.take());
    if let Some(old) = before {
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
