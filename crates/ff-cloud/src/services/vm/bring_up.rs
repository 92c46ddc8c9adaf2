//! From `provisioning` or `resuming` to `running`, or to `failed` with a reason.

use std::time::{Duration, Instant};

use ff_protocol::VmId;
use ff_protocol::vm::VmState;
use tokio::net::TcpStream;
use tracing::Instrument;

use super::drivers::Driving;
use super::failure::{Cause, Fault};
use super::{STOP_GRACE, VmService, state, view};
use crate::agent::{AgentToken, Endpoint};
use crate::compute::{Machine, Power, Spec};
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change, Running};
use crate::{Result, error};

/// How long an agent may take to answer after its container has started.
const AGENT_UP: Duration = Duration::from_secs(45);
const KNOCK: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl VmService {
    /// Begins to wake a VM, if it still is where `row` saw it.
    pub(super) async fn resume(&self, row: &Model) -> Result<bool> {
        let change = Change {
            // Whatever still runs under the old token is not believed any more.
            next_token: true,
            ..Default::default()
        };
        if !self.transition(row, VmState::Resuming, change).await? {
            return Ok(false);
        }
        let id = view::id(row)?;
        self.0.agents.forget(&id);
        if let Some(row) = vms::get(self.0.db.write(), &id).await? {
            self.drive_up(row)?;
        }
        Ok(true)
    }

    /// Drives a VM whose transitional state this server has just won.
    pub(super) fn drive_up(&self, row: Model) -> Result<()> {
        let id = view::id(&row)?;
        let service = self.clone();
        let span = tracing::info_span!("bring_up", vm = %id);
        let work = async move {
            let driving = service.0.drivers.begin(&id).await;
            if let Err(error) = service.bring_up(&id, &row, driving).await {
                tracing::error!(error = %error::chain(&error), "the VM's row could not be written");
            }
        };
        self.spawn(work.instrument(span));
        Ok(())
    }

    async fn bring_up(&self, id: &VmId, row: &Model, driving: Driving) -> Result<()> {
        let began = Instant::now();
        let limit = state::limit(row.state.into()).unwrap_or(super::WAIT);
        let mut made = Made::default();
        let work = async {
            let token = self.run_machine(id, row, &mut made).await?;
            tokio::select! {
                up = self.agent_up(id, &token) => up,
                () = driving.unwanted.cancelled() => {
                    Err(Fault::new(Cause::Interrupted, "the VM is not wanted any more"))
                }
            }
        };
        let outcome = tokio::time::timeout(limit, work).await;
        // Whoever sees the row settle finds nobody at work any more.
        let fault = match outcome {
            Ok(Ok(machine)) => {
                drop(driving);
                let change = Change {
                    machine: Some(machine),
                    agent_answered: true,
                    ..Default::default()
                };
                if self.transition(row, VmState::Running, change).await? {
                    let millis = began.elapsed().as_millis() as u64;
                    tracing::info!(millis, "VM is up");
                }
                return Ok(());
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::new(
                Cause::Deadline,
                format!("the VM was not up within {} s", limit.as_secs()),
            ),
        };
        self.clean_up(id, row, made).await;
        drop(driving);
        let reason = (fault.cause.as_str().to_owned(), fault.detail);
        let change = Change {
            reason: Some(reason),
            ..Default::default()
        };
        self.transition(row, VmState::Failed, change).await?;
        Ok(())
    }

    async fn run_machine(
        &self,
        id: &VmId,
        row: &Model,
        made: &mut Made,
    ) -> Result<AgentToken, Fault> {
        let provider = &self.0.provider;
        let machine = provider.inspect(id).await?;
        if row.has_home {
            if !provider.home_exists(id).await? {
                return Err(Fault::new(
                    Cause::Volume,
                    "the volume with the user's home is gone",
                ));
            }
        } else {
            made.home = provider.ensure_home(id).await?;
        }
        match machine.map(|machine| machine.power) {
            None => {
                made.machine = true;
                let spec = Spec {
                    image: &row.image,
                    limits: self.0.limits,
                };
                provider.create(id, spec).await?;
            }
            Some(Power::On | Power::Frozen) => provider.stop(id, STOP_GRACE).await?,
            Some(Power::Off { .. }) => {}
        }
        let generation = u64::try_from(row.token_generation).unwrap_or_default();
        let token = self.0.identity.agent_token(id, generation);
        provider.write_token(id, &token).await?;
        provider.start(id).await?;
        Ok(token)
    }

    /// Waits until the agent has proved itself.
    async fn agent_up(&self, id: &VmId, token: &AgentToken) -> Result<Running, Fault> {
        let until = Instant::now() + AGENT_UP;
        let mut pause = FIRST_PAUSE;
        loop {
            let machine = self.0.provider.inspect(id).await?;
            if let Some(running) = self.try_agent(id, token, machine).await? {
                return Ok(running);
            }
            if Instant::now() >= until {
                return Err(Fault::new(
                    Cause::Agent,
                    format!(
                        "the agent in the VM did not answer within {} s",
                        AGENT_UP.as_secs()
                    ),
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_agent(
        &self,
        id: &VmId,
        token: &AgentToken,
        machine: Option<Machine>,
    ) -> Result<Option<Running>, Fault> {
        let Some(machine) = machine else {
            return Err(Fault::new(
                Cause::Engine,
                "the VM's container was removed while it started",
            ));
        };
        if let Power::Off { exit_code, .. } = machine.power {
            let code = exit_code.map_or("unknown".to_owned(), |code| code.to_string());
            return Err(Fault::new(
                Cause::Agent,
                format!("the VM's container ended before its agent answered, exit code {code}"),
            ));
        }
        let Some(base_url) = machine.address else {
            return Ok(None);
        };
        let endpoint = Endpoint {
            vm_id: id.clone(),
            base_url,
            token: token.clone(),
            start: machine.start,
        };
        if !knock(&endpoint.base_url).await || self.0.agents.client(&endpoint).await.is_err() {
            return Ok(None);
        }
        Ok(Some(Running {
            container_id: machine.id,
            address: endpoint.base_url,
            start: endpoint.start,
        }))
    }

    /// Leaves nothing half-made behind. A home goes only if this very attempt made it and no
    /// agent ever ran on it.
    async fn clean_up(&self, id: &VmId, row: &Model, made: Made) {
        let provider = &self.0.provider;
        let cleaned = async {
            if made.machine {
                provider.remove(id).await?;
            } else {
                provider.stop(id, STOP_GRACE).await?;
            }
            if made.home && !row.has_home {
                provider.remove_home(id).await?;
            }
            Ok::<_, crate::compute::ComputeError>(())
        };
        if let Err(error) = cleaned.await {
            tracing::warn!(%error, "what a failed start left behind could not be removed");
        }
    }
}

/// What an attempt has made so far.
#[derive(Debug, Default)]
struct Made {
    machine: bool,
    home: bool,
}

/// Whether anything listens there yet: while an agent starts, refusals are no news.
async fn knock(base_url: &str) -> bool {
    let Some(rest) = base_url.strip_prefix("http://") else {
        return false;
    };
    // A path may follow: agents can share an address.
    let address = rest.split('/').next().unwrap_or(rest);
    let connected = tokio::time::timeout(KNOCK, TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
