//! From `provisioning` or `resuming` to `running` or `pooled`, or to `failed` with a reason.

use std::time::{Duration, Instant};

use ff_protocol::VmId;
use ff_protocol::vm::VmState;
use tokio::net::TcpStream;
use tracing::Instrument;

use super::drivers::Driving;
use super::failure::{Cause, Fault};
use super::{STOP_GRACE, VmService, state, view};
use crate::agent::{AgentToken, Endpoint};
use crate::compute::{ComputeError, Machine, Power, Spec};
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change, Running};
use crate::fault::{self, Point};
use crate::{Result, clock, error};

/// How long an agent may take to answer after its container has started.
const AGENT_UP: Duration = Duration::from_secs(45);
/// How long an engine may take to remove a machine that somebody else wants to be gone.
const REMOVAL: Duration = Duration::from_secs(3);
const KNOCK: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl VmService {
    /// Begins to wake a VM, if it still is where `row` saw it. `cause` goes into its account.
    pub(super) async fn resume(&self, row: &Model, cause: &'static str) -> Result<bool> {
        let change = Change {
            cause: Some(cause),
            ..Default::default()
        };
        self.begin_resume(row, change).await
    }

    pub(super) async fn begin_resume(&self, row: &Model, change: Change) -> Result<bool> {
        let (service, row) = (self.clone(), row.clone());
        self.to_its_end(async move { service.mark_and_drive(row, change).await })
            .await
    }

    async fn mark_and_drive(&self, row: Model, change: Change) -> Result<bool> {
        let cause = change.cause;
        if !self.transition(&row, VmState::Resuming, change).await? {
            return Ok(false);
        }
        fault::point(Point::ResumeMarked);
        let id = view::id(&row)?;
        if let Some(row) = vms::get(self.0.db.write(), &id).await? {
            self.drive_up(row, cause)?;
        }
        Ok(true)
    }

    /// Drives a VM whose transitional state this server has just won, or found without a driver.
    pub(super) fn drive_up(&self, row: Model, cause: Option<&'static str>) -> Result<()> {
        let id = view::id(&row)?;
        let service = self.clone();
        let span = tracing::info_span!("bring_up", vm = %id);
        let work = async move {
            let driving = service.0.drivers.begin(&id).await;
            if let Err(error) = service.bring_up(&id, &row, cause, driving).await {
                tracing::error!(error = %error::chain(&error), "the VM's row could not be written");
            }
        };
        self.spawn(work.instrument(span));
        Ok(())
    }

    async fn bring_up(
        &self,
        id: &VmId,
        row: &Model,
        cause: Option<&'static str>,
        driving: Driving,
    ) -> Result<()> {
        let began = Instant::now();
        let limit = state::limit(row.state.into()).unwrap_or(super::DRIVER);
        let mut made = Made::default();
        let work = async {
            back_off(row).await;
            if let Some(thawed) = self.wake_frozen(id, row).await? {
                return Ok(thawed);
            }
            match self.run_and_greet(id, row, &mut made).await {
                Err(fault) if !made.machine && self.is_being_removed(id, &fault).await => {
                    tracing::warn!(
                        why = fault.detail,
                        "the container was removed meanwhile; it is made again"
                    );
                    self.run_and_greet(id, row, &mut made).await
                }
                outcome => outcome,
            }
        };
        let turn = match cause {
            Some(super::USER) => &self.0.wanted_now,
            _ => &self.0.wanted_soon,
        };
        let in_turn = async {
            // Never closed, so there is always a turn.
            let _turn = turn.acquire().await;
            tokio::time::timeout(limit, work).await
        };
        let outcome = tokio::select! {
            outcome = in_turn => outcome,
            () = driving.unwanted.cancelled() => {
                Ok(Err(Fault::new(Cause::Interrupted, "the VM is not wanted any more")))
            }
        };
        // Whoever sees the row settle finds nobody at work any more.
        let fault = match outcome {
            Ok(Ok(machine)) => {
                fault::point(Point::AgentAnswered);
                drop(driving);
                let (to, change) = self.came_up(row, machine, made.image, cause);
                if self.transition(row, to, change).await? {
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
        fault::point(Point::CleanedUp);
        drop(driving);
        let reason = (fault.cause.as_str().to_owned(), fault.detail);
        let change = Change {
            reason: Some(reason),
            ..Default::default()
        };
        self.transition(row, VmState::Failed, change).await?;
        Ok(())
    }

    async fn run_and_greet(
        &self,
        id: &VmId,
        row: &Model,
        made: &mut Made,
    ) -> Result<Running, Fault> {
        let token = self.run_machine(id, row, made).await?;
        self.agent_up(id, &token).await
    }

    /// Whether a machine could not be started because somebody removes it. An engine kills it
    /// first, so that a restart may come in between.
    async fn is_being_removed(&self, id: &VmId, fault: &Fault) -> bool {
        if !matches!(fault.cause, Cause::Engine | Cause::Agent | Cause::Removed) {
            return false;
        }
        let until = Instant::now() + REMOVAL;
        loop {
            match self.0.provider.inspect(id).await {
                Ok(None) => return true,
                Ok(Some(_)) if Instant::now() < until => tokio::time::sleep(LONGEST_PAUSE).await,
                _ => return false,
            }
        }
    }

    /// What the row of a VM that came up becomes. One that had ended by itself goes on saying why.
    fn came_up(
        &self,
        row: &Model,
        machine: Running,
        image: Option<String>,
        cause: Option<&'static str>,
    ) -> (VmState, Change) {
        let to = match (row.user_id.is_some(), VmState::from(row.state)) {
            (false, VmState::Provisioning) => VmState::Pooled,
            _ => VmState::Running,
        };
        let reason = row.reason_code.clone().zip(row.reason.clone());
        let change = Change {
            machine: Some(machine),
            reason: reason.filter(|_| row.restarts > 0),
            agent_answered: true,
            active: cause != Some(super::SCHEDULE),
            restart: Some((row.restarts, None)),
            image: image.map(|image| (image, None)),
            limits_pending: Some(false),
            cause: Some(cause.unwrap_or(super::USER)),
            ..Default::default()
        };
        (to, change)
    }

    /// Thaws the machine of a VM that was frozen: its agent and its connections go on. `None` if
    /// there is nothing to thaw.
    async fn wake_frozen(&self, id: &VmId, row: &Model) -> Result<Option<Running>, Fault> {
        let (true, Some(start)) = (self.0.provider.can_freeze(), &row.machine_start) else {
            return Ok(None);
        };
        if VmState::from(row.state) != VmState::Resuming || row.limits_pending {
            return Ok(None);
        }
        let machine = match self.0.provider.inspect(id).await? {
            Some(machine) if machine.start == *start => machine,
            _ => return Ok(None),
        };
        if let Power::Off { .. } = machine.power {
            return Ok(None);
        }
        if machine.power == Power::Frozen {
            self.0.provider.thaw(id).await?;
        }
        fault::point(Point::Thawed);
        let woken = tokio::time::timeout(super::AGENT_CALL, self.release(row)).await;
        match woken {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the agent of a thawed VM does not answer; it is started anew");
                return Ok(None);
            }
        }
        fault::point(Point::Released);
        Ok(Some(Running {
            container_id: machine.id,
            address: row.address.clone().unwrap_or_default(),
            start: machine.start,
        }))
    }

    /// Makes what is missing, and starts it with a new token: whatever still runs under the old
    /// one is not believed any more.
    async fn run_machine(
        &self,
        id: &VmId,
        row: &Model,
        made: &mut Made,
    ) -> Result<AgentToken, Fault> {
        let provider = &self.0.provider;
        self.0.agents.forget(id);
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
        fault::point(Point::HomeMade);
        let fits = machine.as_ref().is_some_and(|machine| {
            let known = row.image_id.as_ref().filter(|id| !id.is_empty());
            !row.limits_pending && known.is_none_or(|image| *image == machine.image_id)
        });
        match machine.map(|machine| machine.power) {
            Some(Power::On | Power::Frozen) if fits => provider.stop(id, STOP_GRACE).await?,
            Some(Power::Off { .. }) if fits => {}
            found => {
                if found.is_some() {
                    provider.stop(id, STOP_GRACE).await?;
                    provider.remove(id).await?;
                    fault::point(Point::Unfit);
                }
                made.machine = true;
                made.image = self.make_machine(id, row).await?;
            }
        }
        fault::point(Point::MachineMade);
        self.start_machine(id).await
    }

    /// Makes the machine from the image the row names, or from the current one where that is gone;
    /// answers its id if it is another.
    async fn make_machine(&self, id: &VmId, row: &Model) -> Result<Option<String>, Fault> {
        let limits = self.limits_of(row);
        // One that never came up has nothing to lose with its image, which may be why.
        let named = row
            .image_id
            .as_deref()
            .filter(|id| row.has_home && !id.is_empty());
        let spec = |image| Spec { image, limits };
        match self
            .0
            .provider
            .create(id, spec(named.unwrap_or(&row.image)))
            .await
        {
            Ok(_) if named.is_some() => return Ok(None),
            Ok(_) => {
                let machine = self.0.provider.inspect(id).await?;
                let image = machine.map(|machine| machine.image_id);
                return Ok(image.filter(|image| row.image_id.as_ref() != Some(image)));
            }
            Err(ComputeError::ImageMissing(_)) if named.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        tracing::warn!("the VM's image is gone; it is made from the current one");
        self.0
            .provider
            .create(id, spec(&self.0.settings.image))
            .await?;
        let image = self.0.provider.image(&self.0.settings.image).await?;
        Ok(image)
    }

    /// Starts a machine that is there and does not run, with a new token.
    pub(super) async fn start_machine(&self, id: &VmId) -> Result<AgentToken, Fault> {
        let generation = vms::next_token(self.0.db.write(), id)
            .await
            .map_err(crate::Error::from)?;
        fault::point(Point::TokenNumbered);
        let generation = u64::try_from(generation).unwrap_or_default();
        let token = self.0.identity.agent_token(id, generation);
        self.0.provider.write_token(id, &token).await?;
        fault::point(Point::TokenWritten);
        self.0.provider.start(id).await?;
        fault::point(Point::MachineStarted);
        Ok(token)
    }

    /// Waits until the agent has proved itself.
    pub(super) async fn agent_up(&self, id: &VmId, token: &AgentToken) -> Result<Running, Fault> {
        let until = Instant::now() + AGENT_UP;
        let mut pause = FIRST_PAUSE;
        loop {
            let machine = self.0.provider.inspect(id).await?;
            if let Some(running) = self.try_agent(id, token, machine).await? {
                return Ok(running);
            }
            if Instant::now() >= until {
                return Err(Fault::new(
                    Cause::StartTimeout,
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
                Cause::Removed,
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
            Ok::<_, ComputeError>(())
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
    /// Id of the image, where it is another than the row's.
    image: Option<String>,
}

/// Waits until a VM that ended by itself may start again.
async fn back_off(row: &Model) {
    if let Some(at) = row.restart_at
        && let Ok(wait) = (at - clock::now()).to_std()
    {
        tokio::time::sleep(wait).await;
    }
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
