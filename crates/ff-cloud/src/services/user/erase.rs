//! Deleting an account: rows of what the user has, the VM with its home, the account of what it
//! did, the user's own row, in this order.
//!
//! Each transaction enters into the audit log what it removed, so that a server that ends in the
//! middle forgets nothing of the receipt. No row marks an account as being deleted: a VM that
//! the user gets meanwhile keeps the user's row from going, and is removed in the next round.

use std::time::Duration;

use ff_protocol::user::{Erasure, Removed};
use ff_protocol::vm::VmState;
use ff_protocol::{ErrorCode, UserId, VmId};
use sea_orm::{DatabaseTransaction, DbErr, SqlErr, TransactionTrait};

use super::UserService;
use crate::db::entity::vm::Model as VmRow;
use crate::db::entity::workspace::Model as WorkspaceRow;
use crate::db::{audit, handoffs, leases, usage, users, vms, workspaces};
use crate::fault::{self, Point};
use crate::services::workspace::parse;
use crate::{Error, Result, clock};

/// The action in the audit log.
const ACTION: &str = "user.erase";
const BEGUN: &str = "begun";
const DONE: &str = "done";
/// Rounds before a user who gets VMs again and again is refused.
const ROUNDS: usize = 5;
/// Longest wait for a VM to be gone; the server goes on removing it.
const REMOVAL: Duration = Duration::from_secs(100);
/// Most workspaces that a refusal names.
const NAMED: usize = 20;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// Also workspaces that are nowhere else.
    pub force: bool,
}

impl UserService {
    /// Deletes a user's account with all that belongs to it, and waits until it is gone. The
    /// same call again gives the same receipt, until the user comes back.
    ///
    /// # Errors
    /// `not_found` for a user who never was; `owns_workspaces` naming those that are nowhere
    /// else, unless `force`; `compute_unavailable` and `timeout` while the VM cannot be removed:
    /// the server goes on with that, and the same call again finishes.
    pub async fn erase(&self, user: &UserId, ask: Ask<'_>) -> Result<Erasure> {
        for _ in 0..ROUNDS {
            let Some(live) = self.clear(user, ask).await? else {
                return self.receipt(user).await;
            };
            fault::point(Point::EraseBegun);
            if let Some(vm) = live {
                self.remove_vm(&vm).await?;
            }
            fault::point(Point::EraseVmGone);
            if let Some(erasure) = self.finish(user, ask).await? {
                tracing::info!(%user, "the account is deleted");
                return Ok(erasure);
            }
        }
        Err(Error::refused(
            ErrorCode::Conflict,
            "the user gets a VM again and again while the account is being deleted",
        )
        .hint("end what asks for it, then try again"))
    }

    /// Removes what rows say the user has beside the VM, and answers the VM that is there. `None`
    /// if there is no such user.
    async fn clear(&self, user: &UserId, ask: Ask<'_>) -> Result<Option<Option<VmId>>> {
        let tx = self.db.write().begin().await?;
        if !users::hold(&tx, user).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let mut removed = Removed {
            workspaces: workspaces::remove_of_user(&tx, user, ask.force).await?,
            ..Removed::default()
        };
        let kept = workspaces::list(&tx, Some(user), None, NAMED as u64 + 1).await?;
        if !kept.is_empty() {
            tx.rollback().await?;
            return Err(owns(&kept));
        }
        let rows = vms::of_user(&tx, user).await?;
        let live = rows
            .iter()
            .find(|row| VmState::from(row.state) != VmState::Terminated);
        let vm = live.map(|row| parse(row.id.clone())).transpose()?;
        removed.handoffs = handoffs::remove_of_user(&tx, user).await?;
        if let (Some(row), Some(vm)) = (live, &vm) {
            removed.leases = leases::remove_of_vm(&tx, &row.id).await?;
            removed.containers.extend(row.container_id.clone());
            removed.volumes.push(self.vms.home_name(vm));
        }
        let before = pending(&tx, user).await?;
        let mut now = before.clone().unwrap_or_default();
        now.add(removed);
        if before.as_ref() != Some(&now) {
            note(&tx, user, ask, BEGUN, &now).await?;
        }
        tx.commit().await?;
        Ok(Some(vm))
    }

    async fn remove_vm(&self, vm: &VmId) -> Result<()> {
        match tokio::time::timeout(REMOVAL, self.vms.delete(vm, None)).await {
            Ok(Err(error)) if error.code() != ErrorCode::NotFound => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::refused(
                ErrorCode::Timeout,
                format!(
                    "the user's VM is TERMINATING and was not gone within {} s",
                    REMOVAL.as_secs()
                ),
            )
            .hint("the server goes on removing it; delete the account again then")),
        }
    }

    /// Removes the rest, if every VM of the user has ended: one transaction. `None` if one has
    /// not.
    async fn finish(&self, user: &UserId, ask: Ask<'_>) -> Result<Option<Erasure>> {
        let tx = self.db.write().begin().await?;
        if !users::hold(&tx, user).await? {
            tx.rollback().await?;
            return self.receipt(user).await.map(Some);
        }
        let rows = vms::of_user(&tx, user).await?;
        let ended = |row: &VmRow| VmState::from(row.state) == VmState::Terminated;
        if !rows.iter().all(ended) {
            tx.rollback().await?;
            return Ok(None);
        }
        let removed = match remove_rows(&tx, user, &rows).await {
            Ok(removed) => removed,
            // A VM or hand-off of the user came in between, and its row names theirs.
            Err(Error::Db(error)) if refers(&error) => {
                tx.rollback().await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut all = pending(&tx, user).await?.unwrap_or_default();
        all.add(removed);
        let erasure = note(&tx, user, ask, DONE, &all).await?;
        tx.commit().await?;
        Ok(Some(erasure))
    }

    /// The receipt of an account that is gone.
    async fn receipt(&self, user: &UserId) -> Result<Erasure> {
        let last = audit::last(self.db.write(), ACTION, user.as_str()).await?;
        let last = last.filter(|event| event.result == DONE);
        let event = last.ok_or_else(|| Error::not_found("user", user))?;
        read(&event.detail)
    }
}

async fn remove_rows(tx: &DatabaseTransaction, user: &UserId, rows: &[VmRow]) -> Result<Removed> {
    let mut removed = Removed {
        workspaces: workspaces::remove_of_user(tx, user, true).await?,
        handoffs: handoffs::remove_of_user(tx, user).await?,
        usage_intervals: usage::remove_of_user(tx, user).await?,
        ..Removed::default()
    };
    for row in rows {
        removed.leases += leases::remove_of_vm(tx, &row.id).await?;
        removed.vms.push(parse(row.id.clone())?);
    }
    vms::remove_ended_of(tx, user).await?;
    users::remove(tx, user).await?;
    Ok(removed)
}

/// What an erasure that is under way has removed so far.
async fn pending(tx: &DatabaseTransaction, user: &UserId) -> Result<Option<Removed>> {
    let last = audit::last(tx, ACTION, user.as_str()).await?;
    last.filter(|event| event.result == BEGUN)
        .map(|event| read(&event.detail).map(|erasure| erasure.removed))
        .transpose()
}

async fn note(
    tx: &DatabaseTransaction,
    user: &UserId,
    ask: Ask<'_>,
    result: &str,
    removed: &Removed,
) -> Result<Erasure> {
    let erasure = Erasure {
        user_id: user.clone(),
        at: clock::now(),
        removed: removed.clone(),
    };
    let detail = serde_json::to_string(&erasure)
        .map_err(|error| Error::Bug(format!("a receipt is no JSON: {error}")))?;
    let event = audit::Event {
        actor: ask.actor,
        action: ACTION,
        object: user.as_str(),
        result,
        detail: &detail,
    };
    audit::insert(tx, event).await?;
    Ok(erasure)
}

fn read(detail: &str) -> Result<Erasure> {
    serde_json::from_str(detail)
        .map_err(|error| Error::Bug(format!("a receipt in the audit log is damaged: {error}")))
}

fn refers(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(SqlErr::ForeignKeyConstraintViolation(_))
    )
}

fn owns(kept: &[WorkspaceRow]) -> Error {
    let named: Vec<String> = kept
        .iter()
        .take(NAMED)
        .map(|row| format!("`{}` ({})", row.name, row.id))
        .collect();
    let more = match kept.len() > NAMED {
        true => " and more",
        false => "",
    };
    Error::refused(
        ErrorCode::OwnsWorkspaces,
        format!(
            "these workspaces are in the user's VM and nowhere else: {}{more}",
            named.join(", ")
        ),
    )
    .hint("move them away with `ff pull`, or delete them too with ?force=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> WorkspaceRow {
        WorkspaceRow {
            user_id: "u".to_owned(),
            id: format!("w{n}"),
            vm_id: "v".to_owned(),
            name: format!("Task {n}"),
            project_name: String::new(),
            branch_name: String::new(),
            owner: "cloud".to_owned(),
            epoch: 1,
            handoff_id: None,
            metadata: "{}".to_owned(),
            created_at: clock::now(),
            updated_at: clock::now(),
        }
    }

    #[test]
    fn a_refusal_names_the_workspaces_but_not_hundreds() {
        let few = owns(&[row(1), row(2)]).problem();
        assert_eq!(few.code, ErrorCode::OwnsWorkspaces);
        assert!(few.detail.ends_with("`Task 1` (w1), `Task 2` (w2)"));
        let many: Vec<_> = (0..=NAMED).map(row).collect();
        let many = owns(&many).problem().detail;
        assert!(many.ends_with("(w19) and more"), "{many}");
    }
}
