//! What is just being made or put away here, by workspace.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::agent::{Cause, CauseKind};
use ff_protocol::{Timestamp, WorkspaceId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Workspaces that are made at once; others wait.
const AT_ONCE: usize = 4;
/// Longest wait for somebody here to let go of a workspace.
const LETS_GO: Duration = Duration::from_secs(2);

/// What is just being made or put away here. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lives {
    live: Arc<Mutex<HashMap<WorkspaceId, Live>>>,
    /// Leave to do the work of making one.
    pub(super) making: Arc<Semaphore>,
    /// Cancelled when this core stops.
    pub(super) stop: CancellationToken,
    stays: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Live {
    doing: &'static str,
    since: Timestamp,
    cancel: CancellationToken,
    done: CancellationToken,
}

/// The right to be the one that makes or puts away a workspace, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    lives: Lives,
    id: WorkspaceId,
    /// Cancelled when it is to be given up.
    pub(super) cancel: CancellationToken,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            live: Arc::default(),
            making: Arc::new(Semaphore::new(AT_ONCE)),
            stop: CancellationToken::new(),
            stays: Arc::default(),
        }
    }
}

impl Lives {
    /// Says that this core is an engine that stays, so that sessions may go on in it.
    pub(super) fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(super) fn stays(&self) -> bool {
        self.stays.load(Ordering::Relaxed)
    }

    /// Takes the right, if nobody here has it.
    pub(super) fn hold(&self, id: &WorkspaceId, doing: &'static str) -> Option<Hold> {
        let mut live = self.lock();
        if live.contains_key(id) {
            return None;
        }
        let cancel = self.stop.child_token();
        let entry = Live {
            doing,
            since: clock::now(),
            cancel: cancel.clone(),
            done: CancellationToken::new(),
        };
        live.insert(id.clone(), entry);
        Some(Hold {
            lives: self.clone(),
            id: id.clone(),
            cancel,
        })
    }

    /// Takes the right, also from somebody here who is about to let go of it: what a workspace
    /// comes to rest in is written, and seen, a moment before.
    pub(super) async fn hold_soon(&self, id: &WorkspaceId, doing: &'static str) -> Option<Hold> {
        let taken = async {
            loop {
                if let Some(hold) = self.hold(id, doing) {
                    return hold;
                }
                self.free(id).await;
            }
        };
        tokio::time::timeout(LETS_GO, taken).await.ok()
    }

    /// Whether somebody here has it.
    pub(super) fn is_held(&self, id: &WorkspaceId) -> bool {
        self.lock().contains_key(id)
    }

    /// Returns when nobody here has it.
    pub(super) async fn free(&self, id: &WorkspaceId) {
        while let Some(done) = self.done(id) {
            done.cancelled().await;
        }
    }

    /// Has whoever makes it give up, and returns when that is done.
    pub(super) async fn give_up(&self, id: &WorkspaceId) {
        if let Some(live) = self.lock().get(id) {
            live.cancel.cancel();
        }
        self.free(id).await;
    }

    /// Has everybody give up.
    pub(crate) fn shut_down(&self) {
        self.stop.cancel();
    }

    /// What works, for whoever decides about sleep.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let live = self.lock();
        let cause = |(id, live): (&WorkspaceId, &Live)| Cause {
            kind: CauseKind::Workspace,
            name: format!("workspace {id} is being {}", live.doing),
            since: live.since,
        };
        live.iter().map(cause).collect()
    }

    fn done(&self, id: &WorkspaceId) -> Option<CancellationToken> {
        self.lock().get(id).map(|live| live.done.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let ended = self.lives.lock().remove(&self.id);
        if let Some(live) = ended {
            live.done.cancel();
        }
    }
}
