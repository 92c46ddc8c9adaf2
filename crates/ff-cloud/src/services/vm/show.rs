//! What callers see of VMs.

use std::time::Duration;

use ff_protocol::agent::Notice;
use ff_protocol::awake::{Awake, UsageInterval, UsageKind};
use ff_protocol::vm::{Vm, VmLogs, VmState};
use ff_protocol::{Page, Timestamp, UserId, VmId};

use super::activity::{plan, why};
use super::idle::Activity;
use super::wake::gone;
use super::{PAGE, VmService, view};
use crate::db::entity::vm::Model;
use crate::db::{usage, vms};
use crate::{Error, Result, clock};

/// Longest wait for what an agent says of its work, which is only shown.
const LOOK: Duration = Duration::from_secs(2);
const MOST_LINES: usize = 1000;

impl VmService {
    /// Users' live VMs, of one or of all, in the order of their ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, user: Option<&UserId>, after: Option<&VmId>) -> Result<Page<Vm>> {
        let mut rows = vms::list(self.0.db.read(), user, after, PAGE + 1).await?;
        let more = rows.len() as u64 > PAGE;
        rows.truncate(PAGE as usize);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone());
        let items = rows
            .iter()
            .map(|row| self.shown(row))
            .collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    /// A VM: of this user, or anyone's for `None`. Someone else's is not found.
    ///
    /// # Errors
    /// `not_found`; `gone` while it is being removed.
    pub async fn get(&self, id: &VmId, user: Option<&UserId>) -> Result<Vm> {
        self.shown(&self.owned(id, user).await?)
    }

    /// As [`Self::get`], with why it is awake and when it will sleep. Wakes nothing.
    ///
    /// # Errors
    /// `not_found`; `gone` while it is being removed.
    pub async fn show(&self, id: &VmId, user: Option<&UserId>) -> Result<Vm> {
        let row = self.owned(id, user).await?;
        let mut vm = self.shown(&row)?;
        vm.awake = self.why_awake(id, &row).await?;
        if let Some(health) = self.0.live.health(id) {
            vm.last_health_check = self.0.live.heard_at(id).or(vm.last_health_check);
            vm.last_active_at = vm.last_active_at.max(Some(health.last_active_at));
            vm.notices.clone_from(&health.notices);
            vm.login_required.clone_from(&health.login_required);
        }
        Ok(vm)
    }

    /// The row of a user's VM that is not being removed.
    async fn owned(&self, id: &VmId, user: Option<&UserId>) -> Result<Model> {
        let row = self.owned_or_leaving(id, user).await?;
        match VmState::from(row.state) {
            VmState::Terminating => Err(gone()),
            _ => Ok(row),
        }
    }

    /// The row of a user's VM.
    pub(super) async fn owned_or_leaving(&self, id: &VmId, user: Option<&UserId>) -> Result<Model> {
        let row = self.row(id).await?;
        let theirs = row
            .user_id
            .as_deref()
            .is_some_and(|owner| user.is_none_or(|user| user.as_str() == owner));
        match theirs {
            true => Ok(row),
            false => Err(Error::not_found("VM", id)),
        }
    }

    /// The row as callers see it.
    pub(super) fn shown(&self, row: &Model) -> Result<Vm> {
        let mut vm = view::vm(row)?;
        vm.limits = Some(self.limits_shown(row));
        Ok(vm)
    }

    async fn why_awake(&self, id: &VmId, row: &Model) -> Result<Option<Awake>> {
        let now = clock::now();
        let known = match VmState::from(row.state) {
            VmState::Running => match tokio::time::timeout(LOOK, self.activity(id, row)).await {
                Ok(Ok(known)) => known,
                Ok(Err(_)) | Err(_) => return Ok(None),
            },
            VmState::Frozen => Activity::of_sleeper(row),
            _ => return Ok(None),
        };
        let seen = self.seen(&known, row, id, now).await?;
        let sleeps = plan(self.idle(), seen);
        let frozen = VmState::from(row.state) == VmState::Frozen;
        Ok(Some(Awake {
            why: match frozen {
                true => "it is frozen".to_owned(),
                false => why(seen, &sleeps),
            },
            leases: self.leases(id, None).await?,
            sleeps: sleeps
                .into_iter()
                .filter(|it| !frozen || it.at > now)
                .collect(),
            working: known.working.clone(),
            holding: known.holding.clone(),
        }))
    }

    /// The last lines a VM's agent wrote, also of one that failed to start.
    ///
    /// # Errors
    /// `not_found`, `gone`; `compute_unavailable`.
    pub async fn logs(&self, id: &VmId, user: Option<&UserId>, lines: usize) -> Result<VmLogs> {
        self.owned(id, user).await?;
        let lines = self.0.provider.logs(id, lines.clamp(1, MOST_LINES)).await?;
        Ok(VmLogs { lines })
    }

    /// What a VM did, the oldest first, from `after` on.
    ///
    /// # Errors
    /// `not_found`; `gone` while it is being removed.
    pub async fn usage(
        &self,
        id: &VmId,
        user: Option<&UserId>,
        after: Option<Timestamp>,
    ) -> Result<Vec<UsageInterval>> {
        self.owned(id, user).await?;
        let rows = usage::of_vm(self.0.db.read(), id, after, PAGE).await?;
        Ok(rows
            .into_iter()
            .map(|row| UsageInterval {
                kind: match row.kind.as_str() {
                    "frozen" => UsageKind::Frozen,
                    "stopped" => UsageKind::Stopped,
                    _ => UsageKind::Awake,
                },
                cause: row.cause,
                started_at: row.started_at,
                ended_at: row.ended_at,
            })
            .collect())
    }
}

/// What a row says its user should know.
pub(super) fn notices(row: &Model) -> Vec<Notice> {
    serde_json::from_str(&row.notices).unwrap_or_default()
}
