//! Hand-off: a workspace leaves this machine, or arrives.
//!
//! One side *spools* a bundle (git objects the other side lacks, the [working state](state), the
//! journal, the CLI's transcripts) and serves its parts; the other stores the parts, *restores* them beside what it
//! has, and computes the fingerprint again. Ownership moves by the server's commit alone; only
//! then [`Core::handoff_finish`](crate::Core::handoff_finish) lets either side converge. Every
//! step may be repeated under the hand-off's id.

mod arrival;
mod conversation;
mod copies;
pub mod fault;
mod fence;
mod finish;
mod landing;
mod offer;
mod pack;
mod receive;
mod restore;
mod retained;
mod send;
mod spool;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ff_protocol::handoff::{Direction, Plan};
use ff_protocol::workspace::Workspace;
use ff_protocol::{DesktopId, ErrorCode, HandoffId, WorkspaceId};
use tokio::sync::Semaphore;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::{HandoffRecord, Role};

pub use fence::{Followed, claims};
pub(crate) use offer::Lanes;
pub use retained::Kept;

/// A workspace about to leave.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Id of the hand-off.
    pub handoff_id: HandoffId,
    /// The workspace.
    pub workspace: Workspace,
    /// What the other side makes ready.
    pub plan: Plan,
    /// Epoch the workspace has now.
    pub epoch: u64,
    /// This installation.
    pub desktop_id: DesktopId,
    /// What the user should know, such as a password that stays behind.
    pub warnings: Vec<String>,
}

/// A workspace about to arrive on a desktop.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Id of the hand-off.
    pub handoff_id: HandoffId,
    /// Epoch the workspace has now.
    pub epoch: u64,
    /// This installation.
    pub desktop_id: DesktopId,
    /// Commits that need not come.
    pub have: Vec<String>,
}

impl Core {
    /// Hand-offs that a crash or a lost connection left half-way.
    pub async fn handoffs_unfinished(&self) -> Result<Vec<(HandoffId, WorkspaceId, Direction)>> {
        let sends = |role| match (role, self.config().side) {
            (Role::Sender, crate::Side::Desktop) | (Role::Receiver, crate::Side::Cloud) => {
                Direction::Send
            }
            _ => Direction::Pull,
        };
        let records = self.store().unfinished_handoffs().await?;
        Ok(records
            .into_iter()
            .map(|r| (r.id, r.workspace_id, sends(r.role)))
            .collect())
    }

    async fn known_handoff(&self, id: &HandoffId, role: Role) -> Result<HandoffRecord> {
        match self.store().handoff(id).await? {
            Some(record) if record.role == role => Ok(record),
            _ => Err(Error::refused(
                ErrorCode::NotFound,
                format!("there is no hand-off {id} here"),
            )),
        }
    }

    async fn open_handoff(&self, id: &HandoffId, role: Role) -> Result<HandoffRecord> {
        let record = self.known_handoff(id, role).await?;
        if record.committed.is_some() {
            return Err(Error::refused(
                ErrorCode::Conflict,
                format!("hand-off {id} has ended"),
            ));
        }
        Ok(record)
    }

    /// Checks that an id is new here, or stands for this very hand-off, which is still open.
    async fn check_stands_for(
        &self,
        id: &HandoffId,
        role: Role,
        (workspace, epoch): (&WorkspaceId, u64),
    ) -> Result<()> {
        let Some(record) = self.store().handoff(id).await? else {
            return Ok(());
        };
        if record.role == role && record.workspace_id == *workspace && record.epoch == epoch {
            return self.open_handoff(id, role).await.map(drop);
        }
        let detail = format!("the id {id} stands for another hand-off here");
        Err(Error::refused(ErrorCode::Conflict, detail))
    }

    async fn unfinished_of(
        &self,
        workspace: &WorkspaceId,
        role: Role,
    ) -> Result<Option<HandoffRecord>> {
        let open = self.store().unfinished_handoffs().await?;
        Ok(open
            .into_iter()
            .find(|r| r.workspace_id == *workspace && r.role == role))
    }

    /// Runs a step to its end, also when whoever asked for it goes away, and one step of a
    /// workspace's hand-offs at a time.
    async fn in_turn<T, F>(&self, workspace: &WorkspaceId, step: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let turn = self.turns().of(workspace);
        let task = self.tasks().spawn(async move {
            // Never closed, so there is always a permit to wait for.
            let _turn = turn.acquire_owned().await;
            step.await
        });
        task.await.map_err(|error| {
            Error::io(
                "a step of a hand-off broke down",
                std::io::Error::other(error),
            )
        })?
    }
}

/// One queue for each workspace that is being moved.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<WorkspaceId, Weak<Semaphore>>>);

impl Turns {
    fn of(&self, workspace: &WorkspaceId) -> Arc<Semaphore> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(workspace).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(workspace.clone(), Arc::downgrade(&turn));
        turn
    }
}

/// Name of the private ref under which a commit that arrives is kept until the end.
fn incoming_ref(id: &HandoffId) -> String {
    format!("refs/ff/incoming/{id}")
}

/// Name of the private ref that keeps the commit of a workspace that left.
pub(crate) fn retained_ref(id: &WorkspaceId) -> String {
    format!("refs/ff/retained/{id}")
}

#[cfg(test)]
mod tests;
