//! The end of a hand-off: commit, finalize, abort.

use std::time::Duration;

use ff_protocol::handoff::{Direction, Finish, Handoff, HandoffState};
use ff_protocol::{ErrorCode, HandoffId, UserId};
use sea_orm::TransactionTrait;

use super::{Act, HandoffService, Verdict, judge, ready_for, shown};
use crate::agent::failure;
use crate::db::entity::handoff::Model;
use crate::db::{handoffs, vms, workspaces};
use crate::error::chain;
use crate::fault::{self, Point};
use crate::{Error, Result};

/// Longest wait for an agent that is told an outcome in passing.
const PASSING: Duration = Duration::from_secs(10);

impl HandoffService {
    /// Moves ownership: one transaction that finds owner, epoch, hand-off and, for a send, the VM
    /// as they were, or changes nothing. The same call again gives the same answer.
    ///
    /// # Errors
    /// `conflict` when the hand-off is not that far, was given up, or lost the workspace or VM.
    pub async fn commit(&self, id: &HandoffId, user: Option<&UserId>) -> Result<Handoff> {
        let (row, verdict) = self.row_for(id, user, Act::Commit).await?;
        if verdict == Verdict::Go && Direction::from(row.direction) == Direction::Pull {
            // A send is checked by its desktop. What changed since is not in the bundle.
            let agent = self.agent(&row).await?;
            agent.check(id).await.map_err(failure)?;
        }
        if verdict == Verdict::Go {
            fault::point(Point::HandoffChecked);
        }
        if verdict == Verdict::Go && self.swap(&row).await? {
            fault::point(Point::HandoffCommitted);
            tracing::info!(handoff = %id, workspace = %row.workspace_id, owner = %row.to_owner,
                epoch = row.epoch, "committed");
            self.tell_quietly(&row, true).await;
            fault::point(Point::HandoffTold);
        }
        // Whoever lost a race is judged by what won.
        let row = self.row(id, user).await?;
        match judge(&row, Act::Commit)? {
            Verdict::Done => shown(&row),
            Verdict::Go => Err(Error::refused(
                ErrorCode::Conflict,
                "the workspace is no longer this hand-off's, or its VM is being removed",
            )),
        }
    }

    async fn swap(&self, row: &Model) -> Result<bool> {
        let tx = self.db.write().begin().await?;
        let from = ready_for(row, Act::Commit);
        let moved = handoffs::advance(&tx, &row.id, &from, HandoffState::Committed).await?
            && workspaces::hand_over(&tx, row).await?
            && (Direction::from(row.direction) == Direction::Pull
                || vms::hold(&tx, &row.vm_id).await?);
        match moved {
            true => tx.commit().await?,
            false => tx.rollback().await?,
        }
        Ok(moved)
    }

    /// Notes that the desktop has converged, once the agent has too. The same call again gives
    /// the same answer.
    ///
    /// # Errors
    /// `conflict` before the commit; what waking the VM and telling its agent may answer.
    pub async fn finalize(&self, id: &HandoffId, user: Option<&UserId>) -> Result<Handoff> {
        let (row, verdict) = self.row_for(id, user, Act::Finalize).await?;
        if verdict == Verdict::Go {
            self.complete(&row).await?;
        }
        self.get(id, user).await
    }

    /// Tells the agent that it is committed, and closes the hand-off.
    pub(super) async fn complete(&self, row: &Model) -> Result<()> {
        match self.tell(row).await {
            Ok(()) => {}
            // Nobody is left to be told.
            Err(error) if matches!(error.code(), ErrorCode::Gone | ErrorCode::NotFound) => {}
            Err(error) => return Err(error),
        }
        fault::point(Point::HandoffConverged);
        let tx = self.db.write().begin().await?;
        let from = ready_for(row, Act::Finalize);
        handoffs::advance(&tx, &row.id, &from, HandoffState::Finalized).await?;
        workspaces::release(&tx, row).await?;
        tx.commit().await?;
        fault::point(Point::HandoffClosed);
        Ok(())
    }

    /// Gives a hand-off up; nothing has moved. The same call again has no further effect.
    ///
    /// # Errors
    /// `conflict` once it is committed.
    pub async fn abort(&self, id: &HandoffId, user: Option<&UserId>) -> Result<()> {
        let (row, verdict) = self.row_for(id, user, Act::Abort).await?;
        if verdict == Verdict::Done {
            return Ok(());
        }
        if self.give_up(&row).await? {
            self.tell_quietly(&row, false).await;
            return Ok(());
        }
        let row = self.row(id, user).await?;
        judge(&row, Act::Abort).map(|_| ())
    }

    /// Puts the rows back as they were; false if the hand-off has ended otherwise.
    pub(super) async fn give_up(&self, row: &Model) -> Result<bool> {
        let tx = self.db.write().begin().await?;
        let from = ready_for(row, Act::Abort);
        let given_up = handoffs::advance(&tx, &row.id, &from, HandoffState::Aborted).await?;
        match given_up && row.new_workspace {
            true => workspaces::remove(&tx, row).await?,
            false if given_up => workspaces::release(&tx, row).await?,
            false => {}
        }
        tx.commit().await?;
        if given_up {
            fault::point(Point::HandoffGivenUp);
        }
        Ok(given_up)
    }

    async fn tell(&self, row: &Model) -> Result<()> {
        let agent = self.agent(row).await?;
        let id = super::parse(row.id.clone())?;
        let converged = Finish {
            committed: true,
            finalized: true,
        };
        agent.finish(&id, converged).await.map_err(failure)
    }

    /// Tells the agent the outcome if its VM runs; says whether it need not be told again. A
    /// failure is only logged: the sweep tells again what was missed.
    pub(super) async fn tell_quietly(&self, row: &Model, committed: bool) -> bool {
        let telling = async {
            let agent = self.running_agent(row).await?;
            let id = super::parse(row.id.clone())?;
            let outcome = Finish {
                committed,
                finalized: false,
            };
            agent.finish(&id, outcome).await.map_err(failure)
        };
        let answer = match tokio::time::timeout(PASSING, telling).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::info!(handoff = %row.id, "the agent took too long to be told");
                return false;
            }
        };
        if let Err(error) = &answer {
            tracing::debug!(handoff = %row.id, error = %chain(error), "the agent was not told");
        }
        if !is_settled(&answer, committed) {
            return false;
        }
        if let Err(error) = handoffs::set_told(self.db.write(), &row.id).await {
            tracing::warn!(handoff = %row.id, error = %chain(&error), "not noted as told");
        }
        true
    }
}

/// Whether the same again would change nothing: the agent has taken it or says that it never
/// will, or there is nobody left to be told.
fn is_settled(answer: &Result<()>, committed: bool) -> bool {
    match answer.as_ref().map_err(Error::code) {
        Ok(()) | Err(ErrorCode::Gone | ErrorCode::NotFound) => true,
        Err(ErrorCode::Conflict) => !committed,
        Err(_) => false,
    }
}
