//! The beginning of a hand-off.

use chrono::TimeDelta;
use ff_protocol::handoff::{CreateHandoff, Direction, Export, Handoff, Receive};
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, HandoffId, UserId, VmId};
use sea_orm::{DbErr, SqlErr, TransactionTrait};

use super::ask::{check, check_owner, digest, new_row, no_plan, planned};
use super::{Act, HandoffService, Verdict, judge, shown, transfer};
use crate::agent::failure;
use crate::clock;
use crate::db::entity::handoff::{Model, State};
use crate::db::{handoffs, vms, workspaces};
use crate::fault::{self, Point};
use crate::services::workspace::parse;
use crate::{Error, Result};

/// Longest rest of a hand-off before another one of the same workspace takes its place.
const STALE: TimeDelta = TimeDelta::minutes(15);

/// How entering a hand-off went.
enum Entered {
    /// It is in.
    Yes(Box<Model>),
    /// Another hand-off has the workspace.
    Busy(HandoffId),
    /// Someone entered the same thing at the same time.
    Raced,
}

impl HandoffService {
    /// Begins a hand-off and makes the VM ready for it; true if it is new. The same request
    /// again prepares again, with the same outcome.
    ///
    /// # Errors
    /// `not_found` without a VM, or for a pull without the workspace; `not_owner` unless owner
    /// and epoch are those the desktop names; `handoff_active`; `conflict` when the id stands
    /// for another request; and what the agent refuses, after which nothing is left of it.
    pub async fn create(&self, user: &UserId, ask: &CreateHandoff) -> Result<(Handoff, bool)> {
        check(ask)?;
        let digest = digest(ask)?;
        // Again, because a stale hand-off may have to be put away, and a request may meet itself.
        for _ in 0..3 {
            if let Some(row) = handoffs::get(self.db.read(), &ask.id).await? {
                return Ok((self.again(row, user, ask, &digest).await?, false));
            }
            let vm = self.vm_of(user).await?;
            match self.enter(user, &vm, ask, &digest).await? {
                Entered::Yes(row) => {
                    fault::point(Point::HandoffEntered);
                    return Ok((self.first(*row, ask).await?, true));
                }
                Entered::Busy(other) => self.make_way(&other, ask).await?,
                Entered::Raced => {}
            }
        }
        Err(active(""))
    }

    async fn vm_of(&self, user: &UserId) -> Result<VmId> {
        let vm = vms::live_of(self.db.read(), user).await?.ok_or_else(|| {
            Error::refused(ErrorCode::NotFound, format!("user `{user}` has no VM"))
                .hint("make one with `ff cloud setup`")
        })?;
        parse(vm.id)
    }

    async fn first(&self, row: Model, ask: &CreateHandoff) -> Result<Handoff> {
        match self.prepare(&row, ask).await {
            Ok(handoff) => Ok(handoff),
            Err(error) => {
                if self.give_up(&row).await? {
                    self.tell_quietly(&row, false).await;
                }
                Err(error)
            }
        }
    }

    async fn again(
        &self,
        row: Model,
        user: &UserId,
        ask: &CreateHandoff,
        digest: &str,
    ) -> Result<Handoff> {
        if row.user_id != user.as_str() || row.request_digest != digest {
            return Err(Error::refused(
                ErrorCode::Conflict,
                format!("the id `{}` stands for another hand-off", ask.id),
            ));
        }
        match judge(&row, Act::Prepare)? {
            Verdict::Go => self.prepare(&row, ask).await,
            Verdict::Done => shown(&row),
        }
    }

    async fn prepare(&self, row: &Model, ask: &CreateHandoff) -> Result<Handoff> {
        let agent = self.agent(row).await?;
        let mut handoff = shown(row)?;
        match (ask.direction, &ask.plan) {
            (Direction::Send, Some(plan)) => {
                let receive = Receive {
                    plan: plan.clone(),
                    epoch: handoff.epoch,
                };
                let received = agent.receive(&ask.id, &receive).await.map_err(failure)?;
                if plan.keep_both {
                    // It may have a workspace by now that nobody else knows.
                    self.vms.hear_again(&parse(row.vm_id.clone())?);
                }
                handoff.have = received.have;
            }
            (Direction::Send, None) => return Err(no_plan()),
            (Direction::Pull, _) => {
                let export = Export {
                    workspace_id: ask.workspace_id.clone(),
                    to: Owner::Desktop(ask.desktop_id.clone()),
                    epoch: ask.epoch,
                    have: ask.have.clone(),
                    interrupt: ask.interrupt,
                };
                let manifest = agent.export(&ask.id, &export).await.map_err(failure)?;
                transfer::belongs(row, &manifest).map_err(|why| {
                    Error::refused(ErrorCode::Corrupted, format!("the VM's bundle: {why}"))
                })?;
                let total = manifest.parts.iter().map(|part| part.size).sum();
                handoffs::set_size(self.db.write(), &row.id, (0, total)).await?;
                handoff.manifest = Some(Box::new(manifest));
            }
        }
        handoffs::touch(self.db.write(), &row.id).await?;
        fault::point(Point::HandoffPrepared);
        Ok(handoff)
    }

    async fn enter(
        &self,
        user: &UserId,
        vm: &VmId,
        ask: &CreateHandoff,
        digest: &str,
    ) -> Result<Entered> {
        let row = new_row(user, vm, ask, digest)?;
        match self.try_enter(user, vm, ask, row).await {
            Err(Error::Db(error)) if unique(&error) => Ok(Entered::Raced),
            entered => entered,
        }
    }

    async fn try_enter(
        &self,
        user: &UserId,
        vm: &VmId,
        ask: &CreateHandoff,
        mut row: Model,
    ) -> Result<Entered> {
        let tx = self.db.write().begin().await?;
        let there = workspaces::get(&tx, user, &ask.workspace_id).await?;
        row.new_workspace = there.is_none();
        match (there, &ask.plan) {
            (Some(workspace), _) => {
                check_owner(&workspace, ask)?;
                if let Some(other) = workspace.handoff_id {
                    return Ok(Entered::Busy(parse(other)?));
                }
                if !workspaces::take(&tx, &workspace, &ask.id).await? {
                    return Ok(Entered::Raced);
                }
            }
            (None, Some(plan)) if ask.direction == Direction::Send => {
                let new = workspaces::NewWorkspace {
                    user,
                    id: &ask.workspace_id,
                    vm,
                    shown: planned(plan),
                    owner: &Owner::Desktop(ask.desktop_id.clone()),
                    epoch: row.epoch - 1,
                    handoff: Some(&ask.id),
                };
                workspaces::insert(&tx, new).await?;
            }
            (None, _) => return Err(Error::not_found("workspace", &ask.workspace_id)),
        }
        handoffs::insert(&tx, &row).await?;
        tx.commit().await?;
        Ok(Entered::Yes(Box::new(row)))
    }

    /// Puts away the hand-off that has the workspace, if that is right: a desktop does one at a
    /// time, so its own earlier one was lost on the way.
    async fn make_way(&self, id: &HandoffId, ask: &CreateHandoff) -> Result<()> {
        let row = self.row(id, None).await?;
        let desktop = Owner::Desktop(ask.desktop_id.clone()).to_string();
        let its_own = row.from_owner == desktop || row.to_owner == desktop;
        let resting = its_own || row.updated_at <= clock::now() - STALE;
        match row.state {
            // Its desktop owns the workspace and goes on with it: it has converged.
            State::Committed => self.complete(&row).await,
            State::Transferring | State::Restored if !resting => {
                let ways = format!(", from {} to {}", row.from_owner, row.to_owner);
                Err(active(&ways))
            }
            _ => {
                tracing::info!(handoff = %id, "an unfinished hand-off is given up");
                if self.give_up(&row).await? {
                    self.tell_quietly(&row, false).await;
                }
                Ok(())
            }
        }
    }
}

fn unique(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn active(ways: &str) -> Error {
    let detail = format!("another hand-off of this workspace is under way{ways}");
    Error::refused(ErrorCode::HandoffActive, detail)
        .hint("wait for it, or give it up where it was begun")
}
