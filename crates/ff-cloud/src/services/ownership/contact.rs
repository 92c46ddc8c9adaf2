//! What is compared at each contact with a desktop or an agent.

use std::sync::Arc;
use std::time::Duration;

use ff_client::AgentClient;
use ff_protocol::handoff::Finish;
use ff_protocol::ownership::{Claim, Claims, Ruling};
use ff_protocol::vm::VmState;
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, UserId, VmId};
use sea_orm::TransactionTrait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::OwnershipService;
use super::judge::{Verdict, judge};
use crate::agent::failure;
use crate::db::{handoffs, vms, workspaces};
use crate::error::chain;
use crate::services::workspace::metadata::EMPTY;
use crate::services::workspace::{owner, parse};
use crate::{Error, Result};

/// Agents that are asked at once.
const AT_ONCE: usize = 16;
/// Longest time that one agent may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Claims and lost hand-offs of one call.
const CLAIMS: usize = 1000;
const LOST: usize = 100;
/// Tries to write a row that others write at the same time.
const TRIES: usize = 5;

/// A row with what was done about a claim.
struct Weighed {
    ruling: Ruling,
    verdict: Verdict,
}

impl OwnershipService {
    /// Starts the task that asks each agent as soon as it is heard, until shutdown.
    pub fn start_tasks(&self) {
        let (service, slots) = (self.clone(), Arc::new(Semaphore::new(AT_ONCE)));
        let asking = async move {
            // Never closed, so there is always a slot to wait for.
            while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
                let vm = service.vms.next_heard().await;
                service.ask_soon(vm, slot);
            }
        };
        let stop = self.lifecycle.soft.clone();
        self.lifecycle
            .tasks
            .spawn(stop.run_until_cancelled_owned(asking));
    }

    fn ask_soon(&self, vm: VmId, slot: OwnedSemaphorePermit) {
        let service = self.clone();
        let asking = async move {
            let heard = tokio::time::timeout(LONGEST, service.hear_running(&vm)).await;
            if let Ok(Err(error)) = heard {
                tracing::debug!(%vm, error = %chain(&error), "the agent's records are not compared");
            }
            drop(slot);
        };
        let stop = self.lifecycle.soft.clone();
        self.lifecycle
            .tasks
            .spawn(stop.run_until_cancelled_owned(asking));
    }

    async fn hear_running(&self, vm: &VmId) -> Result<()> {
        let Some(user) = self.user_of(vm).await? else {
            return Ok(());
        };
        let agent = self.running(vm).await?;
        self.hear_agent(&user, vm, &agent).await.map(drop)
    }

    /// Compares what an agent's records say, and tells it what is news to it.
    pub(super) async fn hear_agent(
        &self,
        user: &UserId,
        vm: &VmId,
        agent: &AgentClient,
    ) -> Result<Vec<Claim>> {
        let claims = agent.claims().await.map_err(failure)?;
        for claim in claims.iter().take(CLAIMS) {
            let Some(weighed) = self.weigh(user, Some(vm), claim).await? else {
                continue;
            };
            if matches!(weighed.verdict, Verdict::Tell | Verdict::Contest) {
                agent.follow(&weighed.ruling).await.map_err(failure)?;
            }
        }
        Ok(claims)
    }

    /// Compares what a desktop's records say, and answers where it has to follow. Hand-offs of
    /// which the server has lost the record are first looked for in the VM, and given up there
    /// unless they were committed.
    ///
    /// # Errors
    /// `invalid` for too many; what waking the VM and asking its agent may answer, if it is needed.
    pub async fn hear_desktop(&self, user: &UserId, said: &Claims) -> Result<Vec<Ruling>> {
        if said.claims.len() > CLAIMS || said.lost.len() > LOST {
            let detail = format!("a call has {CLAIMS} claims and {LOST} hand-offs at most");
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let vm = vms::live_of(self.db.read(), user).await?;
        let vm: Option<VmId> = vm.map(|row| parse(row.id)).transpose()?;
        let (mut in_vm, mut lost) = (Vec::new(), Vec::new());
        for id in &said.lost {
            // One that is known ends as its record says.
            if handoffs::get(self.db.read(), id).await?.is_none() {
                lost.push(id);
            }
        }
        if let Some(vm) = &vm
            && !lost.is_empty()
        {
            let agent = self.awake(vm).await?;
            in_vm = self.hear_agent(user, vm, &agent).await?;
            for id in lost {
                let given_up = Finish {
                    committed: false,
                    finalized: false,
                };
                match agent.finish(id, given_up).await.map_err(failure) {
                    Err(error) if error.code() == ErrorCode::Conflict => {}
                    done => done?,
                }
            }
        }
        let mut rulings = Vec::new();
        for claim in &said.claims {
            match self.weigh(user, None, claim).await? {
                Some(Weighed {
                    ruling,
                    verdict: Verdict::Adopt,
                }) => {
                    if let Some(vm) = &vm {
                        self.pass_on(vm, &ruling).await;
                    }
                }
                Some(Weighed {
                    verdict: Verdict::Agreed,
                    ..
                })
                | None => {}
                Some(Weighed { mut ruling, .. }) => {
                    let same = |it: &&Claim| {
                        it.workspace_id == ruling.workspace_id && it.epoch == ruling.epoch
                    };
                    let known = in_vm.iter().find(same).and_then(|it| it.by.clone());
                    ruling.by = ruling.by.or(known);
                    rulings.push(ruling);
                }
            }
        }
        Ok(rulings)
    }

    /// Tells the VM what a desktop knew, if it runs; else it hears it when it does.
    pub(super) async fn pass_on(&self, vm: &VmId, ruling: &Ruling) {
        let telling = async {
            self.running(vm)
                .await?
                .follow(ruling)
                .await
                .map_err(failure)
        };
        match tokio::time::timeout(LONGEST, telling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%vm, error = %chain(&error), "the VM is told later");
            }
            Err(_) => tracing::debug!(%vm, "the VM took too long to be told"),
        }
    }

    /// Compares one claim with its row, and has the row follow where that is due. `None` for a
    /// workspace that the server does not know and that is of no matter to it.
    async fn weigh(
        &self,
        user: &UserId,
        vm: Option<&VmId>,
        claim: &Claim,
    ) -> Result<Option<Weighed>> {
        let epoch = i64::try_from(claim.epoch)
            .ok()
            .filter(|epoch| *epoch < i64::MAX)
            .ok_or_else(|| Error::refused(ErrorCode::Invalid, "`epoch` is out of range"))?;
        for _ in 0..TRIES {
            let Some(row) = workspaces::get(self.db.read(), user, &claim.workspace_id).await?
            else {
                if let Some(vm) = vm
                    && claim.owner == Owner::Cloud
                {
                    self.find_again(user, vm, claim, epoch).await?;
                }
                return Ok(None);
            };
            let held = owner(&row)?;
            let verdict = judge(
                (&held, row.epoch.unsigned_abs()),
                (&claim.owner, claim.epoch),
            );
            let (to, by) = match verdict {
                Verdict::Agreed | Verdict::Tell => {
                    let read = self.db.read();
                    let by = handoffs::led_to(read, user, &row.id, row.epoch).await?;
                    let ruling = Ruling {
                        workspace_id: claim.workspace_id.clone(),
                        owner: held,
                        epoch: row.epoch.unsigned_abs(),
                        by: by.map(parse).transpose()?,
                    };
                    return Ok(Some(Weighed { ruling, verdict }));
                }
                Verdict::Adopt => (claim.owner.clone(), claim.by.clone()),
                Verdict::Contest => (Owner::Contested, None),
            };
            if workspaces::adopt(self.db.write(), &row, &to, epoch, vm).await? {
                tracing::warn!(workspace = %row.id, before = %row.owner, epoch_before = row.epoch,
                    owner = %to, epoch, "another side knew better who owns it");
                let ruling = Ruling {
                    workspace_id: claim.workspace_id.clone(),
                    owner: to,
                    epoch: claim.epoch,
                    by,
                };
                return Ok(Some(Weighed { ruling, verdict }));
            }
        }
        Err(Error::refused(
            ErrorCode::Conflict,
            "the workspace changes hands too fast to be compared",
        ))
    }

    /// Enters a workspace that a VM holds and that the server has forgotten.
    async fn find_again(&self, user: &UserId, vm: &VmId, claim: &Claim, epoch: i64) -> Result<()> {
        let tx = self.db.write().begin().await?;
        if !vms::hold(&tx, vm.as_str()).await? {
            return Ok(());
        }
        let text = |text: &str| text.replace('\0', "");
        let (name, project, branch) = (
            text(&claim.name),
            text(&claim.project_name),
            text(&claim.branch_name),
        );
        let new = workspaces::NewWorkspace {
            user,
            id: &claim.workspace_id,
            vm,
            shown: workspaces::Shown {
                name: &name,
                project_name: &project,
                branch_name: &branch,
                metadata: EMPTY,
            },
            owner: &Owner::Cloud,
            epoch,
            handoff: None,
        };
        workspaces::insert(&tx, new).await?;
        tx.commit().await?;
        tracing::warn!(workspace = %claim.workspace_id, %vm, "a workspace that was not known is in a VM");
        Ok(())
    }

    /// The user of a VM that is not being removed.
    async fn user_of(&self, vm: &VmId) -> Result<Option<UserId>> {
        let Some(row) = vms::get(self.db.read(), vm).await? else {
            return Ok(None);
        };
        match VmState::from(row.state) {
            VmState::Terminating | VmState::Terminated => Ok(None),
            _ => row.user_id.map(parse).transpose(),
        }
    }
}
