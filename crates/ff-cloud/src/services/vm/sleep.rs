//! Putting a VM to sleep: frozen in memory, or stopped, never removed.
//!
//! The agent alone decides between what is asked of it and sleep: it answers a quiesce only when
//! nothing works, and executes nothing from then on. Only then is the machine touched.

use chrono::TimeDelta;
use ff_protocol::agent::{Quiesce, Quiesced, SuspendTier};
use ff_protocol::vm::VmState;
use ff_protocol::{ErrorCode, UserId, VmId};

use super::activity::names;
use super::{AGENT_CALL, STOP_GRACE, VmService, view, wake};
use crate::agent::failure;
use crate::compute::Power;
use crate::db::entity::vm::Model;
use crate::db::leases;
use crate::db::vms::{self, Change};
use crate::fault::{self, Point};
use crate::{Error, Result, clock};

/// A quiesce ends by itself after this long, if this server is gone. Longer than stopping takes.
const QUIESCE_TTL: u32 = 60;

/// How a suspend is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspend<'a> {
    /// How deep.
    pub tier: SuspendTier,
    /// Only if nothing worked for so long, in seconds.
    pub idle_seconds: u64,
    /// A stop also ends what holds.
    pub let_go: bool,
    /// Code and text for the row.
    pub why: (&'a str, &'a str),
}

impl VmService {
    /// Puts a user's VM to sleep now. One that sleeps as deep already is left as it is.
    ///
    /// # Errors
    /// `busy` with what works in it, `gone`, `not_found`, `conflict` while it moves.
    pub async fn suspend(
        &self,
        id: &VmId,
        user: Option<&UserId>,
        tier: SuspendTier,
    ) -> Result<ff_protocol::vm::Vm> {
        self.get(id, user).await?;
        let row = self.row(id).await?;
        let ask = Suspend {
            tier,
            idle_seconds: 0,
            let_go: true,
            why: ("asked", "it was asked to sleep"),
        };
        match (row.state.into(), tier) {
            (VmState::Terminating | VmState::Terminated, _) => return Err(wake::gone()),
            (VmState::Stopped, _) | (VmState::Frozen, SuspendTier::Frozen) => {}
            (VmState::Frozen, SuspendTier::Stopped) => {
                let service = self.clone();
                self.to_its_end(async move { service.deepen(&row, ask.why).await })
                    .await?;
            }
            (VmState::Running, SuspendTier::Frozen) if !self.0.provider.can_freeze() => {
                let detail = "this server's VMs cannot be frozen";
                return Err(Error::refused(ErrorCode::Conflict, detail).hint("ask for `stopped`"));
            }
            (VmState::Running, _) => {
                let service = self.clone();
                self.to_its_end(async move { service.put_to_sleep(&row, ask).await })
                    .await?;
            }
            (state, _) => {
                let detail = format!("the VM is {}", view::word(state));
                return Err(
                    Error::refused(ErrorCode::Conflict, detail).hint("try again when it runs")
                );
            }
        }
        self.get(id, user).await
    }

    /// Suspends a VM that runs. An intent that comes meanwhile waits, and then wakes it.
    pub(super) async fn put_to_sleep(&self, row: &Model, ask: Suspend<'_>) -> Result<()> {
        let id = view::id(row)?;
        let now = clock::now();
        let leases = leases::of_vm(self.0.db.read(), &id, now).await?;
        if let Some(lease) = leases.last() {
            let end = lease.expires_at.format("%FT%TZ");
            return Err(busy(&format!("the lease `{}` until {end}", lease.name)));
        }
        let Some(driving) = self.0.drivers.try_begin(&id) else {
            return Err(moving());
        };
        if !self
            .transition(row, VmState::Suspending, Change::default())
            .await?
        {
            return Err(moving());
        }
        fault::point(Point::SuspendMarked);
        let slept = self.quiesce_and_stop(&id, row, ask).await;
        let (to, change, result) = match slept {
            Ok((to, quiesced)) => (to, asleep(&quiesced, ask.why), Ok(())),
            Err(error) => (VmState::Running, awake_again(row), Err(error)),
        };
        let change = match to {
            VmState::Stopped => self.upgrade_if_newer(&id, row, change, &driving).await,
            _ => change,
        };
        self.transition_from(&id, VmState::Suspending, to, change)
            .await?;
        drop(driving);
        result
    }

    async fn quiesce_and_stop(
        &self,
        id: &VmId,
        row: &Model,
        ask: Suspend<'_>,
    ) -> Result<(VmState, Quiesced)> {
        let quiesce = Quiesce {
            id: uuid::Uuid::now_v7().to_string(),
            tier: ask.tier,
            ttl_seconds: QUIESCE_TTL,
            idle_seconds: ask.idle_seconds,
            let_go: ask.let_go,
        };
        let agent = self.0.agents.client(&self.endpoint(row)?).await?;
        let quiesced = agent.quiesce(&quiesce, AGENT_CALL).await.map_err(failure)?;
        fault::point(Point::Quiesced);
        self.0.live.end(id);
        let slept = match ask.tier {
            SuspendTier::Frozen => self.0.provider.freeze(id).await,
            SuspendTier::Stopped => self.0.provider.stop(id, STOP_GRACE).await,
        };
        if let Err(error) = slept {
            // It may have worked all the same: look, and let the agent go on if it runs.
            tracing::warn!(vm = %id, %error, "the VM could not be put to sleep");
            let power = match self.0.provider.inspect(id).await {
                Ok(machine) => machine.map(|machine| machine.power),
                // It does not tell: then it has hardly done it.
                Err(_) => Some(Power::On),
            };
            match (power, ask.tier) {
                (Some(Power::On), _) => {
                    let _ = agent.release(&quiesce.id, AGENT_CALL).await;
                    return Err(error.into());
                }
                (Some(Power::Frozen), SuspendTier::Frozen) => {}
                (Some(Power::Frozen), SuspendTier::Stopped) => {
                    return Ok((VmState::Frozen, quiesced));
                }
                (Some(Power::Off { .. }) | None, _) => return Ok((VmState::Stopped, quiesced)),
            }
        }
        match ask.tier {
            SuspendTier::Frozen => {
                fault::point(Point::Frozen);
                self.0.live.keep_quiesce(id, quiesce.id);
                Ok((VmState::Frozen, quiesced))
            }
            SuspendTier::Stopped => {
                fault::point(Point::Stopped);
                self.0.agents.forget(id);
                Ok((VmState::Stopped, quiesced))
            }
        }
    }

    /// Stops a frozen VM. It is thawed for it, so that its programs end in order; if something
    /// works then, it runs on instead.
    pub(super) async fn deepen(&self, row: &Model, why: (&str, &str)) -> Result<()> {
        let id = view::id(row)?;
        let Some(driving) = self.0.drivers.try_begin(&id) else {
            return Err(moving());
        };
        if vms::get(self.0.db.write(), &id).await?.as_ref() != Some(row) {
            return Err(moving());
        }
        self.0.provider.thaw(&id).await?;
        fault::point(Point::DeepenThawed);
        let quiesce = Quiesce {
            id: uuid::Uuid::now_v7().to_string(),
            tier: SuspendTier::Stopped,
            ttl_seconds: QUIESCE_TTL,
            idle_seconds: 0,
            let_go: true,
        };
        let asked = async {
            self.release(row).await?;
            fault::point(Point::DeepenReleased);
            let agent = self.0.agents.client(&self.endpoint(row)?).await?;
            agent.quiesce(&quiesce, AGENT_CALL).await.map_err(failure)
        };
        let quiesced = match tokio::time::timeout(2 * AGENT_CALL, asked).await {
            Ok(Ok(quiesced)) => {
                fault::point(Point::DeepenQuiesced);
                Some(quiesced)
            }
            Ok(Err(error)) if error.code() == ErrorCode::Busy => {
                drop(driving);
                self.resume(row, super::USER).await?;
                return Err(error);
            }
            // An agent that does not answer has nothing to lose that a stop would save.
            Ok(Err(_)) | Err(_) => None,
        };
        self.0.provider.stop(&id, STOP_GRACE).await?;
        fault::point(Point::DeepenStopped);
        self.0.agents.forget(&id);
        self.0.live.end(&id);
        let next_wake = quiesced.and_then(|it| it.next_wake_at).or(row.next_wake_at);
        let change = Change {
            reason: Some((why.0.to_owned(), why.1.to_owned())),
            asleep: Some((row.holding.clone(), next_wake)),
            ..Default::default()
        };
        let change = self.upgrade_if_newer(&id, row, change, &driving).await;
        // Until then the row says frozen, and who looks would take the end for one of itself.
        self.transition_from(&id, VmState::Frozen, VmState::Stopped, change)
            .await?;
        drop(driving);
        Ok(())
    }

    /// Ends `suspending` by what the machine does. Left as it is when the provider does not tell.
    pub(super) async fn settle_suspending(&self, id: &VmId, row: &Model) -> Result<()> {
        let machine = self.0.provider.inspect(id).await?;
        let same = |start: &str| row.machine_start.as_deref() == Some(start);
        let why = ("interrupted", "the server ended while it was put to sleep");
        let nothing = Quiesced {
            holding: Vec::new(),
            next_wake_at: None,
        };
        let (to, change) = match machine {
            Some(machine) if machine.power == Power::Frozen && same(&machine.start) => {
                (VmState::Frozen, asleep(&nothing, why))
            }
            Some(machine) if machine.power == Power::On && same(&machine.start) => {
                self.release(row).await?;
                (VmState::Running, awake_again(row))
            }
            Some(machine) => {
                // A trial of another image, or of what was stopped already.
                if !matches!(machine.power, Power::Off { .. }) {
                    self.0.provider.stop(id, STOP_GRACE).await?;
                }
                (VmState::Stopped, asleep(&nothing, why))
            }
            None => (VmState::Stopped, asleep(&nothing, why)),
        };
        self.transition_from(id, VmState::Suspending, to, change)
            .await?;
        Ok(())
    }
}

fn asleep(quiesced: &Quiesced, why: (&str, &str)) -> Change {
    let holding = serde_json::to_string(&quiesced.holding).unwrap_or_else(|_| "[]".to_owned());
    let text = match quiesced.holding.is_empty() {
        true => why.1.to_owned(),
        false => format!("{}; it held {}", why.1, names(&quiesced.holding)),
    };
    Change {
        reason: Some((why.0.to_owned(), text)),
        asleep: Some((holding, quiesced.next_wake_at)),
        ..Default::default()
    }
}

fn awake_again(row: &Model) -> Change {
    Change {
        reason: row.reason_code.clone().zip(row.reason.clone()),
        ..Default::default()
    }
}

fn busy(what: &str) -> Error {
    Error::refused(ErrorCode::Busy, format!("the VM works: {what}"))
        .hint("wait until it has ended, or end it")
}

fn moving() -> Error {
    Error::refused(ErrorCode::Conflict, "the VM is being worked on").hint("try again in a moment")
}

/// The end of what counts as idle for an agent, in whole seconds.
pub(super) fn idle_seconds(idle: TimeDelta) -> u64 {
    u64::try_from(idle.num_seconds()).unwrap_or_default()
}
