//! The task that looks.

use std::collections::BTreeMap;
use std::time::Duration;

use ff_core::session::Causes;
use ff_core::{Core, clock};
use ff_protocol::agent::{Cause, CauseKind, Health};
use ff_protocol::{HandoffId, Timestamp, VmId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Look;
use crate::governor::Governor;
use crate::processes::{Foregrounds, Loads, Members, Scope, name};

/// Time between two looks.
const TICK: Duration = Duration::from_millis(500);
/// Time between two samples of the processes.
const SAMPLE: Duration = Duration::from_secs(3);
/// Who asks does not wait for the next sample, unless the last one is newer than this.
const FRESH: Duration = Duration::from_secs(1);
/// Time between two looks at the records of hand-offs, whose steps are requests anyway.
const RECORDS: Duration = Duration::from_secs(5);
/// Terminal input counts as work for this long.
const INPUT_COUNTS_FOR: Duration = Duration::from_secs(30);
/// Processes told by name at most.
const PROCESSES_TOLD: usize = 10;

pub(super) struct Watcher {
    core: Core,
    vm_id: VmId,
    governor: Governor,
    started: Instant,
    last_active: Timestamp,
    members: Members,
    loads: Loads,
    processes: Vec<Cause>,
    foregrounds: Foregrounds,
    handoffs: BTreeMap<HandoffId, Timestamp>,
    records: Option<Instant>,
}

impl Watcher {
    pub(super) fn new(core: Core, vm_id: VmId, governor: Governor) -> Self {
        let parent = std::os::unix::process::parent_id();
        let scope = Scope::of(std::env::var_os(crate::processes::MARK), parent);
        Self {
            core,
            vm_id,
            governor,
            started: Instant::now(),
            last_active: clock::now(),
            members: Members::new(scope, std::process::id()),
            loads: Loads::default(),
            processes: Vec::new(),
            foregrounds: Foregrounds::default(),
            handoffs: BTreeMap::new(),
            records: None,
        }
    }

    /// The report before the first look.
    pub(super) fn nothing_yet(&self) -> Health {
        self.health(Vec::new(), Vec::new(), clock::now())
    }

    pub(super) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Look>,
        reports: watch::Sender<Health>,
        stopping: CancellationToken,
    ) {
        let permits = self.core.permits().clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                () = stopping.cancelled() => return,
                look = asked.recv() => match look {
                    Some(look) => Some(look),
                    None => return,
                },
                () = permits.changed() => None,
                _ = ticks.tick() => None,
            };
            let health = self.look(look.is_some()).await;
            if let Ok(health) = &health {
                reports.send_if_modified(|last| {
                    let news = super::differ(last, health);
                    last.clone_from(health);
                    news
                });
            }
            match (look, health) {
                // Whoever asked may have gone.
                (Some(look), health) => drop(look.send(health)),
                (None, Ok(_)) => {}
                (None, Err(error)) => tracing::warn!(?error, "the records cannot be looked at"),
            }
        }
    }

    async fn look(&mut self, asked: bool) -> ff_core::Result<Health> {
        let elapsed = self.records.map(|at| at.elapsed());
        if asked || elapsed.is_none_or(|elapsed| elapsed >= RECORDS) {
            self.records = Some(Instant::now());
            self.read_records().await?;
        }
        let oldest = if asked { FRESH } else { SAMPLE };
        let age = self.loads.age(Instant::now());
        if age.is_none_or(|age| age >= oldest) {
            self.sample();
        }
        let now = clock::now();
        let mut sessions = self.core.sessions().causes();
        if self.core.sessions().account().required().is_some() {
            wait_for_login(&mut sessions);
        }
        let terminals = self.core.terminals();
        let mut working = sessions.working;
        working.extend(self.core.permits().causes());
        working.extend(self.processes.iter().cloned());
        working.extend(self.core.workspace_causes());
        let handoff = |(id, since): (&HandoffId, &Timestamp)| Cause {
            kind: CauseKind::Handoff,
            name: format!("hand-off {id}"),
            since: *since,
        };
        working.extend(self.handoffs.iter().map(handoff));
        let input = terminals.last_input_at();
        let lasts = [self.core.permits().last_used_at(), input];
        let lasts = lasts.into_iter().flatten();
        let work = (!working.is_empty()).then_some(now);
        let last = lasts.chain(work).fold(self.last_active, Timestamp::max);
        self.last_active = last;
        working.extend(input.and_then(|at| recent_input(at, now)));
        let mut holding = sessions.holding;
        holding.extend(self.foregrounds.look(&terminals.shells(), now));
        holding.extend(self.core.run_script_causes());
        Ok(self.health(working, holding, now))
    }

    fn health(&self, working: Vec<Cause>, holding: Vec<Cause>, now: Timestamp) -> Health {
        Health {
            vm_id: self.vm_id.clone(),
            working,
            holding,
            last_active_at: self.last_active,
            uptime_seconds: self.started.elapsed().as_secs(),
            quiesced: self.core.permits().closed(),
            next_wake_at: self.core.schedule().next(now),
            notices: self.governor.notices(),
            login_required: self.core.sessions().account().required(),
        }
    }

    async fn read_records(&mut self) -> ff_core::Result<()> {
        let unfinished = self.core.handoffs_unfinished().await?;
        let (now, before) = (clock::now(), std::mem::take(&mut self.handoffs));
        self.handoffs = unfinished
            .into_iter()
            .map(|(id, _, _)| {
                let since = before.get(&id).copied().unwrap_or(now);
                (id, since)
            })
            .collect();
        Ok(())
    }

    /// Reads `/proc` here, on this task: at the limit of processes there is no thread to be had
    /// for it.
    fn sample(&mut self) {
        let clis = self.core.sessions().processes();
        let shells = self.core.terminals().shells();
        let mut living = self.members.living();
        // A CLI works while it has a turn, and that is told as such. What the core asks GitHub by
        // itself is no work; what a user has it ask is a request.
        let asking = self.core.github().processes();
        living.retain(|process| {
            let is_cli = clis.iter().any(|(pid, _)| *pid == process.pid);
            !is_cli && !asking.contains(&process.group)
        });
        let bytes = crate::processes::bytes;
        self.loads
            .sample(&living, bytes, Instant::now(), clock::now());
        let working = self.loads.working();
        let told = working.iter().take(PROCESSES_TOLD);
        let cause = |(pid, since): &(u32, Timestamp)| {
            let process = living.iter().find(|process| process.pid == *pid)?;
            Some(Cause {
                kind: CauseKind::Process,
                name: name(process, &living, &clis, &shells),
                since: *since,
            })
        };
        self.processes = told.filter_map(cause).collect();
    }
}

/// Messages that wait for the user to log in work no more than an open question does.
fn wait_for_login(sessions: &mut Causes) {
    let waits = |cause: &mut Cause| cause.kind == CauseKind::QueuedMessage;
    let waiting = sessions.working.extract_if(.., waits);
    sessions.holding.extend(waiting);
}

/// The cause that someone typed a short time ago.
fn recent_input(at: Timestamp, now: Timestamp) -> Option<Cause> {
    // A clock that was set back makes it new again.
    let ago = (now - at).to_std().unwrap_or_default();
    (ago < INPUT_COUNTS_FOR).then(|| Cause {
        kind: CauseKind::TerminalInput,
        name: "terminal input".to_owned(),
        since: at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_wait_for_a_login_hold_and_do_not_work() {
        let cause = |kind| Cause {
            kind,
            name: "session x".to_owned(),
            since: clock::now(),
        };
        let mut sessions = Causes {
            working: vec![cause(CauseKind::QueuedMessage), cause(CauseKind::Turn)],
            holding: vec![cause(CauseKind::IdleCli)],
        };
        wait_for_login(&mut sessions);
        let kinds = |causes: &[Cause]| causes.iter().map(|it| it.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&sessions.working), [CauseKind::Turn]);
        let held = [CauseKind::IdleCli, CauseKind::QueuedMessage];
        assert_eq!(kinds(&sessions.holding), held);
    }

    #[test]
    fn typing_counts_for_a_while() {
        let at = clock::now();
        let after = |seconds| recent_input(at, at + Duration::from_secs(seconds));
        assert_eq!(after(29).unwrap().kind, CauseKind::TerminalInput);
        assert!(after(30).is_none());
        assert!(recent_input(at, at - Duration::from_secs(60)).is_some());
    }
}
