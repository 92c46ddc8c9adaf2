//! What a relay knows of its VM, and the waking of it.
//!
//! The row decides. Moves that this server makes are told at once; those of another server show
//! when the row is read again: before a message if it was read longer than a second ago, about
//! every second while there is input, and now and then otherwise.
//!
//! An agent that is about to sleep leaves what comes by socket unread, and says nothing. So a
//! message that was passed on shortly before its VM went to sleep counts as one that wakes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::{ErrorCode, VmId, close};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::chain;
use crate::services::vm::{Standing, VmService};
use crate::services::workspace::Route;

/// What was read of the row counts for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A message passed on so shortly before the VM went to sleep may not have been read.
const UNREAD: Duration = Duration::from_secs(2);
/// How often the row is read while nothing is said.
const NOW_AND_THEN: Duration = Duration::from_secs(20);
/// Shortest time between two notes of a client's activity.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// Why a relay ends for its VM's sake: what its client is told.
pub type Told = (u16, &'static str);

const ASLEEP: Told = (
    close::SUSPENDED,
    "the VM went to sleep; connect again to wake it",
);
const FAILED: Told = (
    close::SUSPENDED,
    "the VM did not come up; connect again to try once more",
);
const GONE: Told = (close::POLICY, "the VM is gone");
const RESTARTED: Told = (
    close::RESTART,
    "the VM started again; connect again in a moment",
);
const BROKE: Told = (close::TRY_LATER, "the way to the VM broke; connect again");

/// The VM's side of a relay.
#[derive(Debug)]
pub struct Side {
    vms: VmService,
    vm: VmId,
    start: String,
    known: watch::Sender<Known>,
    looks: AtomicU64,
    said: Mutex<Said>,
    /// A message waits for the VM.
    waits: AtomicBool,
    look: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None` while the row cannot be read.
    standing: Option<Standing>,
    at: Instant,
    /// Since when it is awake.
    since: Instant,
    look: u64,
}

#[derive(Debug, Default)]
struct Said {
    saying: bool,
    last: Option<Instant>,
    noted: Option<Instant>,
    looked: Option<Instant>,
}

impl Side {
    /// The side of the route's VM, which was awake a moment ago.
    pub fn new(vms: VmService, route: &Route) -> Self {
        let now = Instant::now();
        let known = Known {
            standing: Some(Standing::Awake),
            at: now,
            since: now,
            look: 0,
        };
        Self {
            vms,
            vm: route.vm_id.clone(),
            start: route.start.clone(),
            known: watch::Sender::new(known),
            looks: AtomicU64::new(0),
            said: Mutex::default(),
            waits: AtomicBool::new(false),
            look: Notify::new(),
        }
    }

    /// Reads the row.
    pub async fn look(&self) -> Option<Standing> {
        let look = self.looks.fetch_add(1, Relaxed) + 1;
        let at = Instant::now();
        let standing = match self.vms.standing(&self.vm, &self.start).await {
            Ok(standing) => Some(standing),
            Err(error) => {
                tracing::warn!(vm = %self.vm, error = %chain(&error), "a relay does not know its VM's state");
                None
            }
        };
        self.known.send_if_modified(|known| {
            // One that began later may have ended earlier.
            if known.look > look {
                return false;
            }
            let moved = known.standing != standing;
            if moved && standing == Some(Standing::Awake) {
                known.since = Instant::now();
            }
            (known.standing, known.at, known.look) = (standing, at, look);
            moved
        });
        self.known.borrow().standing
    }

    /// Whether the VM is known to be awake now.
    pub async fn is_awake(&self) -> bool {
        let known = *self.known.borrow();
        let standing = match known.at.elapsed() < FRESH && known.look > 0 {
            true => known.standing,
            false => self.look().await,
        };
        standing == Some(Standing::Awake)
    }

    /// Whether the VM was awake when that was last looked at.
    pub fn was_awake(&self) -> bool {
        self.known.borrow().standing == Some(Standing::Awake)
    }

    /// Since when the VM is awake; means nothing unless it is.
    pub fn awake_since(&self) -> Instant {
        self.known.borrow().since
    }

    /// Waits until the VM is awake.
    pub async fn awake(&self) {
        let awake = |known: &Known| known.standing == Some(Standing::Awake);
        // The sender is ours, so waiting cannot fail.
        let _ = self.known.subscribe().wait_for(awake).await;
    }

    /// Notes that a user does something in the VM.
    pub fn note_activity(&self) {
        let mut said = self.said();
        if said.noted.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
            said.noted = Some(Instant::now());
            drop(said);
            self.vms.note_activity(&self.vm);
        }
    }

    /// Notes that a message is being passed on that would have woken the VM, or has been.
    pub fn saying(&self, now: bool) {
        let mut said = self.said();
        said.saying = now;
        said.last = Some(Instant::now());
        if !now && said.looked.is_none_or(|last| last.elapsed() >= FRESH) {
            said.looked = said.last;
            self.look.notify_one();
        }
    }

    /// Says whether a message waits for the VM to wake.
    pub fn wait_for_it(&self, waits: bool) {
        self.waits.store(waits, Relaxed);
        if waits {
            self.look.notify_one();
        }
    }

    fn said_lately(&self) -> bool {
        let said = self.said();
        said.saying || said.last.is_some_and(|last| last.elapsed() < UNREAD)
    }

    /// Follows the VM and wakes it when it is to. Returns when the connection to its agent is of
    /// no use any more.
    pub async fn attend(&self) -> Told {
        let mut moves = self.vms.moves(&self.vm);
        loop {
            let standing = self.look().await;
            let (waits, lately) = (self.waits.load(Relaxed), self.said_lately());
            match standing {
                Some(Standing::Awake) | None => {}
                Some(Standing::Replaced | Standing::Gone) => return told(standing),
                Some(_) if waits || lately => {
                    if let Some(told) = self.wake().await {
                        return told;
                    }
                    continue;
                }
                Some(Standing::Stopped | Standing::Failed) => return told(standing),
                Some(Standing::Suspending | Standing::Frozen | Standing::Resuming) => {}
            }
            let most = match waits || lately || standing.is_none() {
                true => FRESH,
                false => NOW_AND_THEN,
            };
            tokio::select! {
                () = moves.next(most) => {}
                () = self.look.notified() => {}
            }
        }
    }

    /// Wakes the VM; what the client is told if that fails.
    async fn wake(&self) -> Option<Told> {
        let error = self.vms.awake(&self.vm).await.err()?;
        tracing::info!(vm = %self.vm, error = %chain(&error), "a message could not wake its VM");
        Some(match error.code() {
            ErrorCode::Gone | ErrorCode::NotFound => GONE,
            ErrorCode::ShuttingDown => (close::RESTART, "the server is stopping"),
            ErrorCode::Timeout | ErrorCode::ComputeUnavailable | ErrorCode::AgentUnavailable => (
                close::TRY_LATER,
                "the VM did not wake in time; connect again in a moment",
            ),
            _ => FAILED,
        })
    }

    /// What the client is told when the connection to the agent broke, so that it does not wake
    /// a VM just by connecting again. An agent that is stopped with its VM says so like one that
    /// restarts.
    pub async fn lost(&self) -> Told {
        if self.look().await == Some(Standing::Awake) {
            // Perhaps its machine has ended, and nobody knows yet.
            self.vms.doubt(&self.vm);
            if let Err(error) = self.vms.running(&self.vm).await {
                tracing::debug!(vm = %self.vm, error = %chain(&error), "a relay's VM does not run");
            }
            self.look().await;
        }
        let told = told(self.known.borrow().standing);
        let unheard = self.waits.load(Relaxed) || self.said_lately();
        match told == ASLEEP && unheard {
            // Something was said: the client is to come back by itself and say it again.
            true => RESTARTED,
            false => told,
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client is told of a VM to whose agent there is no way any more.
fn told(standing: Option<Standing>) -> Told {
    match standing {
        None | Some(Standing::Awake) => BROKE,
        Some(Standing::Suspending | Standing::Frozen | Standing::Stopped) => ASLEEP,
        Some(Standing::Resuming | Standing::Replaced) => RESTARTED,
        Some(Standing::Failed) => FAILED,
        Some(Standing::Gone) => GONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_back_by_itself_only_where_that_wakes_nothing() {
        for (standing, comes_back) in [
            (None, true),
            (Some(Standing::Awake), true),
            (Some(Standing::Resuming), true),
            (Some(Standing::Replaced), true),
            (Some(Standing::Suspending), false),
            (Some(Standing::Frozen), false),
            (Some(Standing::Stopped), false),
            (Some(Standing::Failed), false),
            (Some(Standing::Gone), false),
        ] {
            let (code, reason) = told(standing);
            assert_eq!(close::reconnects(code), comes_back, "{standing:?}");
            assert!(reason.len() <= 123, "no room in a close frame: {reason}");
        }
    }
}
