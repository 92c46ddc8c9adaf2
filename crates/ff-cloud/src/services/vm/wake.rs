//! The way to a VM's agent, for intents (which wake it) and for reads (which do not).

use std::time::Instant;

use ff_protocol::vm::VmState;
use ff_protocol::{ErrorCode, VmId};

use super::create::failed;
use super::{VmService, view};
use crate::agent::{Endpoint, failure};
use crate::compute::{ComputeError, Power};
use crate::db::entity::vm::Model;
use crate::{Error, Result, clock};

/// What became of a VM whose row says that it runs.
enum Alive {
    Yes(Endpoint),
    No,
}

impl VmService {
    /// The way to a VM's agent for an intent: wakes the VM if it sleeps, failed or lost its
    /// container, and waits until it runs. Many at once share one awakening.
    ///
    /// # Errors
    /// `not_found`, `gone`, `compute_unavailable`, `agent_unavailable`, `timeout`; the reason of a
    /// VM that cannot be brought up.
    pub async fn awake(&self, id: &VmId) -> Result<Endpoint> {
        self.awake_for(id, super::USER).await
    }

    /// As [`Self::awake`]; `cause` goes into the VM's account.
    pub(super) async fn awake_for(&self, id: &VmId, cause: &'static str) -> Result<Endpoint> {
        let (until, asked) = (Instant::now() + self.0.settings.wait, clock::now());
        let mut changes = self.0.drivers.changes();
        let mut waited = false;
        loop {
            self.refuse_when_stopping()?;
            let row = self.row(id).await?;
            match row.state.into() {
                VmState::Running => match self.alive(id, &row).await? {
                    Alive::Yes(endpoint) => {
                        self.note_activity(id);
                        return Ok(endpoint);
                    }
                    Alive::No => self.note_ended(id).await?,
                },
                VmState::Failed if waited || row.updated_at >= asked => return Err(failed(&row)),
                VmState::Failed | VmState::Stopped | VmState::Frozen => {
                    self.resume(&row, cause).await?;
                }
                VmState::Terminating | VmState::Terminated => return Err(gone()),
                VmState::Pooled => return Err(Error::not_found("VM", id)),
                state @ (VmState::Provisioning | VmState::Suspending | VmState::Resuming) => {
                    self.change(&mut changes, until, state).await?;
                }
            }
            waited = true;
        }
    }

    /// The way to a VM's agent for a read, which wakes nothing.
    ///
    /// # Errors
    /// `suspended` while the VM does not run; `not_found`, `gone`, `agent_unavailable`.
    pub async fn running(&self, id: &VmId) -> Result<Endpoint> {
        let row = self.row(id).await?;
        match row.state.into() {
            VmState::Running => match self.alive(id, &row).await? {
                Alive::Yes(endpoint) => Ok(endpoint),
                Alive::No => {
                    self.note_ended(id).await?;
                    Err(suspended())
                }
            },
            VmState::Terminating | VmState::Terminated => Err(gone()),
            _ => Err(suspended()),
        }
    }

    /// Whether the start that the row names still runs. A cached proof of the agent counts only
    /// for that start: another VM may have its address a moment later. An agent that reports is
    /// proof enough.
    async fn alive(&self, id: &VmId, row: &Model) -> Result<Alive> {
        let endpoint = self.endpoint(row)?;
        if self.0.live.reports(id, &endpoint.start) {
            return Ok(Alive::Yes(endpoint));
        }
        match self.0.provider.inspect(id).await {
            Ok(Some(machine)) => {
                let same = machine.start == endpoint.start;
                Ok(match machine.power {
                    Power::On if same => Alive::Yes(endpoint),
                    _ => Alive::No,
                })
            }
            Ok(None) => Ok(Alive::No),
            Err(ComputeError::Unavailable(reason)) => {
                // VMs may outlive their engine: ask the agent itself, anew.
                self.0.agents.forget(id);
                match self.0.agents.client(&endpoint).await {
                    Ok(_) => Ok(Alive::Yes(endpoint)),
                    Err(_) => Err(ComputeError::Unavailable(reason).into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an agent's reports for no proof that its machine runs, until it reports again: it
    /// did not answer.
    pub fn doubt(&self, id: &VmId) {
        self.0.live.doubt(id);
    }

    /// Lets a thawed VM's agent execute again, whichever quiesce is in force; it has proved
    /// itself then.
    pub(super) async fn release(&self, row: &Model) -> Result<()> {
        let agent = self.0.agents.client(&self.endpoint(row)?).await?;
        let known = self.0.live.take_quiesce(&view::id(row)?);
        let quiesce = match known {
            Some(id) => Some(id),
            None => agent.health().await.map_err(failure)?.quiesced,
        };
        match quiesce {
            Some(id) => agent.release(&id, super::AGENT_CALL).await.map_err(failure),
            None => Ok(()),
        }
    }
}

pub(crate) fn suspended() -> Error {
    Error::refused(
        ErrorCode::Suspended,
        "the VM is asleep, and this call does not wake it",
    )
    .hint("a prompt or a terminal wakes it; over REST, add ?wake=true")
}

pub(super) fn gone() -> Error {
    Error::refused(ErrorCode::Gone, "the VM is being removed")
}
