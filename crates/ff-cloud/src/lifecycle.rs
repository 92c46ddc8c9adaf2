//! Orderly end of the server.
//!
//! The first signal cancels the *soft* token: no new requests, running ones and drivers of VMs
//! may finish. The second signal, or the end of [`GRACE`], cancels the *hard* token, which ends
//! everything.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long running work may take after the soft signal.
pub const GRACE: Duration = Duration::from_secs(20);

/// The server's shutdown tokens and the tasks it owns.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled when the server should come to its end.
    pub soft: CancellationToken,
    /// Cancelled when the server must end now.
    pub hard: CancellationToken,
    /// Every task of the server that outlives a request.
    pub tasks: TaskTracker,
}

impl Lifecycle {
    /// A running server's lifecycle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens for SIGINT and SIGTERM from now on. The task that acts on them ends with the hard
    /// token.
    ///
    /// # Errors
    /// The system refuses to install a handler.
    pub fn watch_signals(&self) -> std::io::Result<()> {
        let signals = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::spawn(self.clone().act_on(signals));
        Ok(())
    }

    async fn act_on(self, mut signals: (Signal, Signal)) {
        tokio::select! {
            () = next(&mut signals) => tracing::info!("shutting down"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            () = next(&mut signals) => tracing::warn!("shutting down at once"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
    }

    /// Cancels the hard token when the grace after the soft one is over.
    pub async fn limit_grace(&self) {
        self.soft.cancelled().await;
        tokio::select! {
            () = tokio::time::sleep(GRACE) => tracing::warn!("work was still running and is cut off"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
    }

    /// Waits for the server's tasks, which the hard token cuts off, and ends the signals' task.
    pub async fn finish(&self) {
        self.soft.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.hard.cancel();
    }
}

async fn next((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
