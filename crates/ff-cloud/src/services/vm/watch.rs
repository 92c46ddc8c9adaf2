//! One task for each VM that runs here: it hears the agent's reports, and looks after the VM when
//! they end. Unreachable is not dead: only a machine that has ended is started again at once.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ff_protocol::VmId;
use ff_protocol::agent::{Health, NoticeKind};
use ff_protocol::vm::VmState;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::failure::Cause;
use super::live::SILENCE;
use super::restart::{self, Next};
use super::{STOP_GRACE, VmService, view};
use crate::agent::failure;
use crate::compute::Power;
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::{Error, Result, clock, error};

/// A machine that runs and whose agent has not answered for so long is started again.
const UNREACHABLE: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A row is written this often, not at each report.
const NOTE_EVERY: TimeDelta = TimeDelta::seconds(60);
/// A process killed for want of memory so long before the end explains the end.
const EXPLAINS: TimeDelta = TimeDelta::seconds(60);

impl VmService {
    /// Begins to hear a VM that runs, unless that is done.
    pub(super) fn watch(&self, row: &Model) -> Result<()> {
        let Some(start) = row.machine_start.clone() else {
            return Ok(());
        };
        let id = view::id(row)?;
        let Some(stop) = self.0.live.begin(&id, &start) else {
            return Ok(());
        };
        let (service, span) = (self.clone(), tracing::info_span!("watch", vm = %id));
        let work = async move { service.hear_always(&id, &start, stop).await };
        self.spawn(work.instrument(span));
        Ok(())
    }

    async fn hear_always(&self, id: &VmId, start: &str, stop: CancellationToken) {
        let (mut pause, mut silent_since) = (FIRST_PAUSE, None::<Instant>);
        let hearing = async {
            loop {
                if self.hear(id, start).await {
                    (pause, silent_since) = (FIRST_PAUSE, None);
                }
                self.0.live.lost(id, start);
                let silent = silent_since.get_or_insert_with(Instant::now).elapsed();
                // What is rare is boxed: a task waits here for each VM that runs.
                if let Err(error) = Box::pin(self.look_after(id, start, silent)).await {
                    tracing::debug!(error = %error::chain(&error), "the VM could not be looked after");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        tokio::select! {
            () = hearing => {}
            () = stop.cancelled() => {}
            () = self.0.lifecycle.soft.cancelled() => {}
        }
    }

    /// Hears the agent until it says no more; whether it said anything.
    async fn hear(&self, id: &VmId, start: &str) -> bool {
        let opening = Box::pin(async {
            let row = self.row(id).await?;
            let agent = self.0.agents.client(&self.endpoint(&row)?).await?;
            agent.reports().await.map_err(failure)
        });
        let mut reports = match tokio::time::timeout(SILENCE, opening).await {
            Ok(Ok(reports)) => reports,
            _ => return false,
        };
        let mut heard = false;
        while let Ok(Some(Ok(health))) = tokio::time::timeout(SILENCE, reports.next()).await {
            if health.vm_id != *id {
                break;
            }
            if !heard {
                self.0.newcomers.enter(id);
            }
            heard = true;
            if let Err(error) = Box::pin(self.note(id, start, health)).await {
                tracing::warn!(error = %error::chain(&error), "a report was not noted");
            }
        }
        heard
    }

    async fn note(&self, id: &VmId, start: &str, health: Health) -> Result<()> {
        let before = self.0.live.last_words(id);
        let news = before
            .as_ref()
            .is_none_or(|it| it.notices != health.notices);
        if news && !health.notices.is_empty() {
            let notices = serde_json::to_string(&health.notices)
                .map_err(|error| Error::Bug(error.to_string()))?;
            vms::set_notices(self.0.db.write(), id, &notices).await?;
        }
        let active = health.last_active_at;
        self.0.live.heard(id, start, health);
        let Some(row) = self.noted_long_ago(id).await? else {
            return Ok(());
        };
        let last = row
            .last_active_at
            .map_or(active, |at| at.max(active))
            .min(clock::now());
        vms::note_health(self.0.db.write(), id, last).await?;
        Ok(())
    }

    /// The row, if it is time to write into it again.
    async fn noted_long_ago(&self, id: &VmId) -> Result<Option<Model>> {
        if !self
            .0
            .live
            .time_to_note(id, NOTE_EVERY.to_std().unwrap_or_default())
        {
            return Ok(None);
        }
        Ok(vms::get(self.0.db.read(), id).await?)
    }

    async fn look_after(&self, id: &VmId, start: &str, silent: Duration) -> Result<()> {
        let row = self.row(id).await?;
        if VmState::from(row.state) != VmState::Running
            || row.machine_start.as_deref() != Some(start)
        {
            self.0.live.end(id);
            return Ok(());
        }
        let machine = self.0.provider.inspect(id).await?;
        match machine {
            Some(machine) if machine.power == Power::On && machine.start == start => {
                if silent < UNREACHABLE {
                    return Ok(());
                }
                let text = format!(
                    "its agent had not answered for {} s, so it was started again",
                    silent.as_secs()
                );
                let service = self.clone();
                self.to_its_end(async move {
                    service.start_again(&row, Cause::Unreachable, &text).await
                })
                .await
            }
            _ => self.note_ended(id).await,
        }
    }

    /// Takes note that the machine of a VM that should run has ended or is gone, and starts it
    /// again: at once, later, or, if it ends again and again, no more.
    pub(super) async fn note_ended(&self, id: &VmId) -> Result<()> {
        let (service, id) = (self.clone(), id.clone());
        self.to_its_end(async move { service.judge_end(&id).await })
            .await
    }

    async fn judge_end(&self, id: &VmId) -> Result<()> {
        // Read and look again: both may have changed since.
        let Some(row) = vms::get(self.0.db.write(), id).await? else {
            return Ok(());
        };
        let state = VmState::from(row.state);
        if !matches!(state, VmState::Running | VmState::Frozen | VmState::Pooled) {
            return Ok(());
        }
        let machine = self.0.provider.inspect(id).await?;
        let (gone, out_of_memory, code) = match machine {
            None => (true, false, None),
            Some(machine) => match machine.power {
                Power::Off {
                    exit_code,
                    out_of_memory,
                } => (false, out_of_memory, exit_code),
                Power::On | Power::Frozen
                    if row.machine_start.as_deref() == Some(&machine.start) =>
                {
                    return Ok(());
                }
                // Somebody else has started it: its token is an old one.
                Power::On | Power::Frozen => (false, false, None),
            },
        };
        if state == VmState::Pooled {
            return self.discard(&row).await;
        }
        let cause = restart::cause(gone, out_of_memory, code, self.was_full(id));
        let code = code.map_or("unknown".to_owned(), |code| code.to_string());
        let text = match cause {
            Cause::Removed => {
                "its container was removed, and made again on the same home".to_owned()
            }
            Cause::OutOfMemory => {
                "it ran out of memory and was started again; give it more, or run less in it"
                    .to_owned()
            }
            _ => format!("its container ended by itself, exit code {code}, and was started again"),
        };
        self.start_again(&row, cause, &text).await
    }

    /// Whether a process of the VM was killed for want of memory just now.
    fn was_full(&self, id: &VmId) -> bool {
        let now = clock::now();
        self.0.live.last_words(id).is_some_and(|health| {
            let mut notices = health.notices.iter();
            notices.any(|it| it.kind == NoticeKind::OutOfMemory && now - it.at < EXPLAINS)
        })
    }

    /// In a task of its own: the one that hears the VM may be who asks, and ends with it.
    async fn start_again(&self, row: &Model, cause: Cause, text: &str) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let (service, row, text) = (self.clone(), row.clone(), text.to_owned());
        self.spawn(async move {
            // Whoever asked may have gone; the work is done all the same.
            let _ = tell.send(service.start_again_now(&row, cause, &text).await);
        });
        told.await.unwrap_or_else(|_| Err(super::stopping()))
    }

    async fn start_again_now(&self, row: &Model, cause: Cause, text: &str) -> Result<()> {
        let id = view::id(row)?;
        let ran = row.state_since.map_or(restart::STABLE, |since| {
            (clock::now() - since).to_std().unwrap_or_default()
        });
        // One that ended while no server looked, perhaps with its host, is no sign of a loop.
        let before = match self.0.live.last_words(&id) {
            Some(_) => u32::try_from(row.restarts).unwrap_or_default(),
            None => 0,
        };
        let (cause, text, restart) = match restart::judge(before, ran) {
            Next::Again { count, after } => {
                let at = TimeDelta::from_std(after)
                    .ok()
                    .map(|after| clock::now() + after);
                (cause, text.to_owned(), Some((i64::from(count), at)))
            }
            Next::GiveUp => {
                let text = format!(
                    "it ended {} times in a row, last because {text}",
                    before + 1
                );
                (Cause::CrashLoop, text, None)
            }
        };
        self.0.live.end(&id);
        self.0.agents.forget(&id);
        let reason = Some((cause.as_str().to_owned(), text));
        if restart.is_some() {
            let change = Change {
                reason,
                restart,
                cause: Some(super::RESTART),
                ..Default::default()
            };
            self.begin_resume(row, change).await?;
            return Ok(());
        }
        // It is not running, so nobody drives what is now given up.
        let change = Change {
            reason: reason.clone(),
            ..Default::default()
        };
        if self.transition(row, VmState::Resuming, change).await? {
            self.0.provider.stop(&id, STOP_GRACE).await?;
            let change = Change {
                reason,
                restart: Some((0, None)),
                ..Default::default()
            };
            self.transition_from(&id, VmState::Resuming, VmState::Failed, change)
                .await?;
        }
        Ok(())
    }
}
