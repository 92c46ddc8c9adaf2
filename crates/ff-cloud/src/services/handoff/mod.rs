//! Hand-offs: the protocol between desktop, server and agent.
//!
//! The one moment that counts is the compare-and-swap of [`HandoffService::commit`]. Before it
//! the workspace is where it was, after it where it went; everything else can be repeated.

mod ask;
mod begin;
mod machine;
mod outcome;
mod sweep;
mod transfer;

use ff_client::AgentClient;
use ff_protocol::handoff::{Direction, Handoff, HandoffState, Progress};
use ff_protocol::{ErrorCode, HandoffId, UserId};

use crate::agent::AgentLink;
use crate::db::entity::handoff::Model;
use crate::db::{Db, handoffs};
use crate::lifecycle::Lifecycle;
use crate::services::vm::VmService;
use crate::services::workspace::parse;
use crate::{Error, Result};

pub use machine::{Act, Verdict};

/// Moves workspaces.
#[derive(Debug, Clone)]
pub struct HandoffService {
    db: Db,
    vms: VmService,
    agents: AgentLink,
    lifecycle: Lifecycle,
}

impl HandoffService {
    /// A service over the database, the VMs and their agents.
    pub fn new(db: Db, vms: VmService, agents: AgentLink, lifecycle: Lifecycle) -> Self {
        Self {
            db,
            vms,
            agents,
            lifecycle,
        }
    }

    /// How far a hand-off has come.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's.
    pub async fn get(&self, id: &HandoffId, user: Option<&UserId>) -> Result<Handoff> {
        shown(&self.row(id, user).await?)
    }

    async fn row(&self, id: &HandoffId, user: Option<&UserId>) -> Result<Model> {
        handoffs::get(self.db.read(), id)
            .await?
            .filter(|row| user.is_none_or(|user| row.user_id == user.as_str()))
            .ok_or_else(|| Error::not_found("hand-off", id))
    }

    /// The row, if `act` may be done to it now.
    async fn row_for(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        act: Act,
    ) -> Result<(Model, Verdict)> {
        let row = self.row(id, user).await?;
        let verdict = judge(&row, act)?;
        Ok((row, verdict))
    }

    /// The agent of the hand-off's VM, woken if need be.
    async fn agent(&self, row: &Model) -> Result<AgentClient> {
        let vm = parse(row.vm_id.clone())?;
        let endpoint = self.vms.awake(&vm).await?;
        self.vms.note_activity(&vm);
        self.agents.client(&endpoint).await
    }

    /// The agent of the hand-off's VM, if that runs.
    async fn running_agent(&self, row: &Model) -> Result<AgentClient> {
        let endpoint = self.vms.running(&parse(row.vm_id.clone())?).await?;
        self.agents.client(&endpoint).await
    }
}

fn judge(row: &Model, act: Act) -> Result<Verdict> {
    machine::judge(row.direction.into(), row.state.into(), act)
        .map_err(|why| Error::refused(ErrorCode::Conflict, why))
}

fn ready_for(row: &Model, act: Act) -> Vec<HandoffState> {
    machine::ready_for(row.direction.into(), act)
}

fn shown(row: &Model) -> Result<Handoff> {
    Ok(Handoff {
        id: parse(row.id.clone())?,
        workspace_id: parse(row.workspace_id.clone())?,
        direction: Direction::from(row.direction),
        state: row.state.into(),
        epoch: row.epoch.unsigned_abs(),
        have: Vec::new(),
        manifest: None,
        progress: row.bytes_total.map(|total| Progress {
            done: row.bytes_done.unsigned_abs(),
            total: total.unsigned_abs(),
        }),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
