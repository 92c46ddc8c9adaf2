//! What keeps the VM awake, and from being stopped: work, not connections.
//!
//! One task looks, several times a second; it alone keeps what must be remembered between looks.

mod watcher;

use ff_core::Core;
use ff_protocol::agent::Health;
use ff_protocol::{ErrorCode, Timestamp, VmId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::watcher::Watcher;

/// Looks that wait for their turn.
const LOOKS: usize = 16;

/// Asks for a look now.
type Look = oneshot::Sender<ff_core::Result<Health>>;

/// What the agent knows of the work in its VM. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Activity {
    looks: mpsc::Sender<Look>,
    reports: watch::Receiver<Health>,
}

impl Activity {
    /// Starts the task that looks. It ends when `stopping` is cancelled, or with the handle.
    pub(crate) fn start(
        core: Core,
        vm_id: VmId,
        stopping: CancellationToken,
    ) -> (Self, AbortOnDropHandle<()>) {
        let (looks, asked) = mpsc::channel(LOOKS);
        let watcher = Watcher::new(core, vm_id);
        let (sender, reports) = watch::channel(watcher.nothing_yet());
        let task = tokio::spawn(watcher.run(asked, sender, stopping));
        (Self { looks, reports }, AbortOnDropHandle::new(task))
    }

    /// Looks now.
    ///
    /// # Errors
    /// The store failed, or the agent is stopping.
    pub(crate) async fn look(&self) -> ff_core::Result<Health> {
        let over = || ff_core::Error::refused(ErrorCode::ShuttingDown, "the agent is stopping");
        let (reply, answer) = oneshot::channel();
        self.looks.send(reply).await.map_err(|_| over())?;
        answer.await.map_err(|_| over())?
    }

    /// The last look of each time.
    pub(crate) fn reports(&self) -> watch::Receiver<Health> {
        self.reports.clone()
    }
}

/// Whether two reports say different things. What only passes with time is not said.
pub(crate) fn differ(one: &Health, other: &Health) -> bool {
    let still = |health: &Health| Health {
        last_active_at: Timestamp::default(),
        uptime_seconds: 0,
        ..health.clone()
    };
    still(one) != still(other)
}
