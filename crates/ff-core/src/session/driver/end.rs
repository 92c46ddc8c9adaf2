//! Ends of a process: asked for, by a deadline, or by itself.

use std::process::ExitStatus;

use ff_protocol::session::SessionStatus;
use tokio::time::Instant;

use super::super::delivery::Fate;
use super::super::ending::{self, Ended};
use super::super::exit;
use super::super::process::Cli;
use super::super::recover;
use super::super::turn::{Cut, Finished};
use super::login::Leave;
use super::timers::{Due, Step};
use super::{ATTEMPTS, Driver, Ending};
use crate::error::{Error, Result};
use crate::store::Change;

impl Driver {
    /// Ends the process on purpose: the turn first, then stdin, then by signal.
    pub(super) fn begin_stop(&mut self, cli: &mut Cli) {
        if self.ending == Some(Ending::Stop) {
            return;
        }
        // What waits when the engine stops waits for the next one.
        if self.stop.is_cancelled() {
            return self.begin_leave(cli);
        }
        self.drop_queue();
        self.ending = Some(Ending::Stop);
        self.interrupt(cli, Cut::Interrupt);
    }

    /// As [`Self::begin_stop`], but what waits goes on waiting; behind a turn that is cut, for the
    /// user, as after a crash.
    pub(super) fn begin_leave(&mut self, cli: &Cli) {
        if self.ending == Some(Ending::Stop) {
            return;
        }
        self.session.held |= self.turn.is_running() && !self.queue.is_empty();
        self.ending = Some(Ending::Stop);
        self.interrupt(cli, Cut::Interrupt);
    }

    /// A deadline has passed.
    pub(super) fn timer(&mut self, cli: &mut Cli) -> Result<()> {
        // First: what passed while the machine was frozen is not due.
        self.timers.move_by(self.shared.awake.lost());
        let Some(due) = self.timers.take_due(Instant::now()) else {
            return Ok(());
        };
        match due {
            Due::Ready => self.escalate(cli, Ending::Unready),
            Due::Turn => self.interrupt(cli, Cut::Limit),
            Due::Silence => self.interrupt(cli, Cut::Silence),
            Due::Control => self.configuring_overdue(),
            Due::FollowUp => self.turn.follow_up_missed(),
            Due::Idle => {
                self.ending = Some(Ending::Idle);
                cli.close_stdin();
                self.next_step(self.shared.limits.exit, Step::Terminate);
            }
            Due::Step(Step::Terminate) => self.escalate(cli, Ending::Unresponsive),
            Due::Step(Step::Kill) => {
                cli.kill_group();
                self.next_step(self.shared.limits.terminate, Step::GiveUp);
            }
            Due::Step(Step::GiveUp) => {
                let source = std::io::Error::other("it does not end after SIGKILL");
                return Err(Error::io("cannot end the Claude CLI", source));
            }
        }
        Ok(())
    }

    /// Asks the group to end now, and kills it if it does not. A cause that is set stays.
    pub(super) fn escalate(&mut self, cli: &Cli, cause: Ending) {
        self.ending.get_or_insert(cause);
        cli.terminate();
        self.next_step(self.shared.limits.terminate, Step::Kill);
    }

    fn next_step(&mut self, after: std::time::Duration, step: Step) {
        self.timers.step = Some((Instant::now() + after, step));
    }

    /// Records the end of a process, and ends what it left behind.
    pub(super) async fn finish(&mut self, cli: Cli, ended: Result<ExitStatus>) -> Result<()> {
        let stderr = cli.stderr_tail();
        let ending = self.ending.take();
        let on_its_own_terms = matches!((&ending, &ended), (Some(Ending::Idle), Ok(_)))
            || matches!((&ending, &ended), (None, Ok(status)) if status.success());
        if !on_its_own_terms {
            cli.kill_all().await;
        }
        drop(cli);
        let how = ended
            .as_ref()
            .map_or_else(ToString::to_string, |s| exit::died(*s, &stderr));
        let fate = self.fate_of_sent(ending.as_ref()).await;
        let lost = self.is_unsent(ending.as_ref()) || fate == Some(Fate::Absent);
        if lost {
            self.lost += 1;
            self.take_back_sent();
        }
        let finished = self.turn.process_ended(&how);
        let cut = finished.is_some();
        self.cli_gone(finished, fate).await?;
        let (status, error) = self.outcome(ending.as_ref(), ended?, &stderr);
        // One that leaves in peace without having taken the message is no better than one that dies.
        let error = error.or_else(|| lost.then_some(how));
        (self.starting, self.process) = (None, None);
        (self.leave, self.shown) = (Leave::None, None);
        self.changes
            .push(Change::Process(self.session.id.clone(), None));
        self.configured_by_end();
        let session = &self.session;
        let feed = self.shared.store.feed();
        feed.process_ended(&session.workspace_id, &session.id);
        match error {
            // It is sent again; a CLI that dies on it again and again is given up.
            Some(_) if lost && self.lost < ATTEMPTS => {
                self.process_state(SessionStatus::Idle, None).await
            }
            Some(reason) => self.process_failed(reason).await,
            None => {
                self.session.held |= cut && !self.queue.is_empty();
                self.process_state(status, None).await
            }
        }
    }

    /// What became of the message whose turn runs, when its CLI ended unasked.
    async fn fate_of_sent(&self, ending: Option<&Ending>) -> Option<Fate> {
        let message = self.sent.as_ref()?;
        if ending.is_some() || self.turn.prompt() != Some(&message.uuid) {
            return None;
        }
        match recover::lookup(&self.shared, &self.session, message).await {
            Ok(None) => (!self.turn.is_heard()).then_some(Fate::Absent),
            Ok(fate) => fate,
            // What cannot be looked up counts as begun: twice is worse than not at all.
            Err(error) => {
                tracing::warn!(session = %self.session.id, ?error, "a message's fate is unknown");
                None
            }
        }
    }

    /// Whether the CLI died, unasked, before it was given the message that waits.
    fn is_unsent(&self, ending: Option<&Ending>) -> bool {
        let rested = self.starting.is_none() && !self.turn.is_running();
        ending.is_none() && rested && !self.queue.is_empty() && !self.session.held
    }

    /// A message that a CLI did not take before it died is to be sent again.
    fn take_back_sent(&mut self) {
        if let Some(message) = self.sent.take() {
            self.turn.take_back();
            self.queue.push_front(message);
        }
    }

    /// Requests outlive the CLI that asked, and its turn has ended; perhaps it was through with it
    /// and had not said so.
    async fn cli_gone(&mut self, finished: Option<Finished>, fate: Option<Fate>) -> Result<()> {
        let ended = finished.map(|finished| match fate {
            Some(fate @ Fate::Finished(..)) => Ended::found(fate, finished.prompt),
            _ => Ended::cut(finished),
        });
        if ended
            .as_ref()
            .is_some_and(|it| it.finished.prompt.is_some())
        {
            (self.sent, self.lost) = (None, 0);
        }
        let write = ending::cli_gone(&mut self.session, &mut self.requests, ended);
        self.reckon();
        self.write_with_row(write).await.map(drop)
    }

    fn outcome(
        &self,
        ending: Option<&Ending>,
        status: ExitStatus,
        stderr: &str,
    ) -> (SessionStatus, Option<String>) {
        let claude = &self.shared.config.claude;
        let failed = |reason: String| (SessionStatus::Failed, Some(reason));
        match ending {
            Some(Ending::Stop | Ending::Idle) => (SessionStatus::Idle, None),
            Some(Ending::Unready) => failed(exit::silent(claude, self.shared.limits.ready, stderr)),
            Some(Ending::Unresponsive) => failed(exit::stuck(stderr)),
            None if self.starting.is_some() => failed(exit::not_ready(claude, status, stderr)),
            None if status.success() => (SessionStatus::Completed, None),
            None => failed(exit::died(status, stderr)),
        }
    }
}
