//! What a relay knows of its VM, and the waking of it.
//!
//! The row decides. Moves that this server makes are told at once; those of another server show
//! when the row is read again: before a message if it was read longer than a second ago, about
//! every second while there is input, and now and then otherwise. All of it is read by the one
//! who attends to the VM, in the same task as the relay's ways.
//!
//! An agent that is about to sleep leaves what comes by socket unread, and says nothing. So a
//! message that was passed on shortly before its VM went to sleep counts as one that wakes it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::{ErrorCode, VmId, close};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gate::Gate;
use crate::error::chain;
use crate::services::vm::{Moves, Standing, VmService};
use crate::services::workspace::Route;

/// What was read of the row counts for so long.
const FRESH: Duration = Duration::from_secs(1);
/// While there is input it is read again before that, so that no input has to wait for it.
const REFRESH: Duration = Duration::from_millis(500);
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
    moves: Moves,
    known: Mutex<Known>,
    said: Mutex<Said>,
    /// A message waits for the VM.
    waits: AtomicBool,
    /// The row is being read.
    looking: AtomicBool,
    /// The row is not read again soon.
    dozing: AtomicBool,
    look: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None` while the row cannot be read.
    standing: Option<Standing>,
    /// When it was read, if ever.
    at: Option<Instant>,
    /// Since when it is awake.
    since: Instant,
    /// The VM's moves up to then.
    moves: u64,
}

#[derive(Debug, Default)]
struct Said {
    saying: bool,
    last: Option<Instant>,
    noted: Option<Instant>,
}

impl Side {
    /// The side of the route's VM, which was awake a moment ago.
    pub fn new(vms: VmService, route: &Route) -> Self {
        let known = Known {
            standing: Some(Standing::Awake),
            at: None,
            since: Instant::now(),
            moves: 0,
        };
        Self {
            moves: vms.moves(&route.vm_id),
            vms,
            vm: route.vm_id.clone(),
            start: route.start.clone(),
            known: Mutex::new(known),
            said: Mutex::default(),
            waits: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            dozing: AtomicBool::new(false),
            look: Notify::new(),
        }
    }

    /// The VM.
    pub fn vm(&self) -> &VmId {
        &self.vm
    }

    /// Reads the row.
    async fn look(&self) -> Option<Standing> {
        self.looking.store(true, Relaxed);
        let (at, moves) = (Instant::now(), self.moves.count());
        // Rare, and large: it is not to be part of each relay's future.
        let reading = Box::pin(self.vms.standing(&self.vm, &self.start));
        let standing = match reading.await {
            Ok(standing) => Some(standing),
            Err(error) => {
                tracing::warn!(vm = %self.vm, error = %chain(&error), "a relay does not know its VM's state");
                None
            }
        };
        let mut known = self.known();
        if known.standing != standing && standing == Some(Standing::Awake) {
            known.since = Instant::now();
        }
        *known = Known {
            standing,
            at: Some(at),
            moves,
            ..*known
        };
        self.looking.store(false, Relaxed);
        standing
    }

    /// How the VM stands, if that was read just now and it has not moved since.
    fn fresh(&self) -> Option<Known> {
        let known = *self.known();
        let fresh = known.at.is_some_and(|at| at.elapsed() < FRESH);
        (fresh && known.moves == self.moves.count()).then_some(known)
    }

    /// Whether the VM was awake when that was last looked at.
    pub fn was_awake(&self) -> bool {
        self.known().standing == Some(Standing::Awake)
    }

    /// Since when the VM is awake; means nothing unless it is.
    pub fn awake_since(&self) -> Instant {
        self.known().since
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
            self.dozing.store(most == NOW_AND_THEN, Relaxed);
            tokio::select! {
                () = moves.next(most) => {}
                () = self.look.notified() => {}
            }
        }
    }

    /// Wakes the VM; what the client is told if that fails.
    async fn wake(&self) -> Option<Told> {
        let error = Box::pin(self.vms.awake(&self.vm)).await.err()?;
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
            if let Err(error) = Box::pin(self.vms.running(&self.vm)).await {
                tracing::debug!(vm = %self.vm, error = %chain(&error), "a relay's VM does not run");
            }
            self.look().await;
        }
        let told = told(self.known().standing);
        let unheard = self.waits.load(Relaxed) || self.said_lately();
        match told == ASLEEP && unheard {
            // Something was said: the client is to come back by itself and say it again.
            true => RESTARTED,
            false => told,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Side {
    fn is_open(&self) -> bool {
        if let Some(known) = self.fresh() {
            return known.standing == Some(Standing::Awake);
        }
        if !self.looking.load(Relaxed) {
            self.look.notify_one();
        }
        false
    }

    fn is_known_open(&self) -> bool {
        let awake = |known: Known| known.standing == Some(Standing::Awake);
        self.fresh().is_some_and(awake)
    }

    fn wait_for_it(&self, waits: bool) {
        if self.waits.swap(waits, Relaxed) != waits && waits {
            self.look.notify_one();
        }
    }

    fn note_activity(&self) {
        let mut said = self.said();
        if said.noted.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
            said.noted = Some(Instant::now());
            drop(said);
            self.vms.note_activity(&self.vm);
        }
    }

    fn saying(&self, now: bool) {
        let mut said = self.said();
        said.saying = now;
        said.last = Some(Instant::now());
        drop(said);
        if !now && !self.looking.load(Relaxed) {
            let old = self.known().at.is_none_or(|at| at.elapsed() >= REFRESH);
            if old || self.dozing.swap(false, Relaxed) {
                self.look.notify_one();
            }
        }
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
