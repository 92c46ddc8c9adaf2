//! What Ctrl-C and other signals that end us do: the first asks, the second insists.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::tty::raw;

/// Cancels the token at the first SIGINT, SIGTERM or SIGHUP, and ends the process at the second.
///
/// # Errors
/// The handlers cannot be installed.
pub async fn watch(stop: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
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
