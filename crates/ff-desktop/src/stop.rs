//! What Ctrl-C and other signals that end us do: the first asks, the second insists.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::tty::raw;

/// Ctrl-C, for whoever has another use for it than to end.
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<Mutex<Option<mpsc::Sender<()>>>>);

impl Interrupts {
    /// From now on each Ctrl-C comes here, as long as the receiver lives and takes them.
    pub fn take(&self) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel(1);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    fn is_taken(&self) -> bool {
        let taker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taker
            .as_ref()
            .is_some_and(|taker| taker.try_send(()).is_ok())
    }
}

/// Cancels the token at the first SIGINT, SIGTERM or SIGHUP, and ends the process at the second.
/// A SIGINT that somebody takes does nothing here.
///
/// # Errors
/// The handlers cannot be installed.
pub async fn watch(stop: CancellationToken, interrupts: Interrupts) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => if interrupts.is_taken() {
                continue;
            },
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if stop.is_cancelled() {
            raw::restore();
            std::process::exit(Exit::Interrupted as i32);
        }
        stop.cancel();
    }
}

/// The error of a command that was told to stop.
pub fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

/// The work's result, or [`interrupted`] if we are told to stop before it ends.
///
/// # Errors
/// Those of the work.
pub async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        result = work => result,
        () = stop.cancelled() => Err(interrupted().into()),
    }
}
