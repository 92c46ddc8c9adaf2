//! The session's row, journal and watchers, and what follows from its state.

use std::sync::Arc;

use ff_protocol::session::{Activity, EntryKind, JournalEntry, SessionStatus, Stopped};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::load::Busy;
use super::super::process::Cli;
use super::login::Leave;
use super::timers::{Step, keep};
use super::{Driver, Ending};
use crate::clock;
use crate::error::Result;
use crate::store::Write;

impl Driver {
    /// Does what the state asks for: the next message, timers, the row, answers that waited.
    pub(super) async fn settle(&mut self, cli: &mut Cli) -> Result<()> {
        self.configured().await;
        self.send_next(cli);
        self.tell_login().await?;
        self.set_timers();
        self.close_when_stopped(cli);
        self.publish_load();
        if self.reckon() || self.unsaved || !self.changes.is_empty() {
            self.write_with_row(Write::default()).await?;
        }
        for reply in self.accepted.drain(..) {
            let _ = reply.send(Ok(self.session.clone()));
        }
        if self.starting.is_none() {
            for reply in self.until_ready.drain(..) {
                let _ = reply.send(Ok(self.session.clone()));
            }
        }
        if !self.turn.is_running() {
            for reply in self.until_turn_ends.drain(..) {
                let _ = reply.send(Ok(self.session.clone()));
            }
        }
        Ok(())
    }

    /// Works out what the row says of the turn and the queue; whether that is new.
    pub(super) fn reckon(&mut self) -> bool {
        let queued = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let waits = !self.queue.is_empty() && !self.session.held && !self.rests();
        let for_login = waits && matches!(self.leave, Leave::Asked(_));
        let login_required = self.shared.account.required().filter(|_| for_login);
        let activity = match self.turn.activity(self.requests.open_count()) {
            Activity::Idle if login_required.is_some() => Activity::WaitingForUser,
            Activity::Idle if waits => Activity::Working,
            activity => activity,
        };
        let row = &mut self.session;
        let news = (activity, queued) != (row.activity, row.queued)
            || login_required != row.login_required;
        (row.activity, row.queued, row.login_required) = (activity, queued, login_required);
        news
    }

    fn set_timers(&mut self) {
        let limits = &self.shared.limits;
        let running = self.turn.is_running();
        let asks = self.requests.open_count() > 0;
        let at_rest = self.turn.is_quiet()
            && !asks
            && (self.queue.is_empty() || self.session.held)
            && self.starting.is_none()
            && self.ending.is_none();
        let now = Instant::now();
        keep(&mut self.timers.turn, running, now + limits.turn);
        let listens = running && !asks && !self.turn.runs_tool();
        keep(&mut self.timers.silence, listens, now + limits.silence);
        keep(
            &mut self.timers.follow_up,
            self.turn.awaits_follow_up(),
            now + limits.follow_up,
        );
        keep(
            &mut self.timers.idle,
            at_rest,
            now + self.shared.config.idle_cli,
        );
        self.timers.control = self.configuring_until();
        if !running && self.ending.is_none() {
            self.timers.step = None;
        }
    }

    fn close_when_stopped(&mut self, cli: &mut Cli) {
        let closing = self.ending == Some(Ending::Stop) && !self.turn.is_running();
        if closing && cli.close_stdin() {
            // A CLI that is killed while it renews the login takes it along.
            let exit = match self.leave.may_renew() {
                true => self.shared.limits.renewal,
                false => self.shared.limits.exit,
            };
            self.timers.step = Some((Instant::now() + exit, Step::Terminate));
        }
    }

    /// The process could not be started, or is given up: what waits stays and waits for the user.
    pub(super) async fn process_failed(&mut self, reason: String) -> Result<()> {
        self.unsent += self.queue.len();
        self.session.held = !self.queue.is_empty();
        self.process_state(SessionStatus::Failed, Some(reason))
            .await
    }

    /// The process began or ended.
    pub(super) async fn process_state(
        &mut self,
        status: SessionStatus,
        error: Option<String>,
    ) -> Result<()> {
        self.session.status = status;
        self.session.error = error;
        self.reckon();
        let unsent = std::mem::take(&mut self.unsent);
        let entry = json!({ "status": status, "error": self.session.error, "unsent": unsent });
        let write = Write::entry(&self.session, EntryKind::Status, entry);
        self.write_with_row(write).await?;
        self.publish_load();
        if status != SessionStatus::Running && !self.wants_process() {
            self.answer_waiting();
        }
        Ok(())
    }

    /// The session after a stop.
    pub(super) fn stopped(&mut self) -> Stopped {
        Stopped {
            session: self.session.clone(),
            taken_back: std::mem::take(&mut self.taken_back),
        }
    }

    /// Answers everyone who waits for a turn or a process that is over.
    pub(super) fn answer_waiting(&mut self) {
        let waiting = self
            .accepted
            .drain(..)
            .chain(self.until_ready.drain(..))
            .chain(self.until_turn_ends.drain(..));
        for reply in waiting {
            // Whoever asked may have gone meanwhile.
            let _ = reply.send(Ok(self.session.clone()));
        }
        let stopped = self.stopped();
        for reply in self.until_process_ends.drain(..) {
            let _ = reply.send(Ok(stopped.clone()));
        }
    }

    /// Enters something in the journal; watchers are told.
    pub(super) async fn append(&mut self, kind: EntryKind, payload: Value) -> Result<()> {
        self.write(Write::entry(&self.session, kind, payload))
            .await
            .map(drop)
    }

    /// Writes; watchers are told. Rows that wait for the next write go along.
    pub(super) async fn write(&mut self, mut write: Write) -> Result<Vec<Arc<JournalEntry>>> {
        let changes = std::mem::take(&mut self.changes);
        for change in &changes {
            write = write.and(change.clone());
        }
        let written = self.shared.store.write(write).await;
        if written.is_err() {
            self.changes = changes;
        }
        written
    }

    /// Writes, and the session's row with it.
    pub(super) async fn write_with_row(&mut self, write: Write) -> Result<Vec<Arc<JournalEntry>>> {
        self.session.updated_at = clock::now();
        let entries = self.write(write.and_session(&self.session)).await?;
        self.unsaved = false;
        Ok(entries)
    }

    pub(super) fn publish_load(&self) {
        let busy = Busy {
            turn: self.turn.is_running() || self.turn.awaits_follow_up(),
            background: self.turn.background() > 0,
            queued: !self.queue.is_empty() && !self.session.held,
        };
        self.seat.load.send_modify(|load| {
            load.note(busy, clock::now());
            load.name.clone_from(&self.session.name);
            load.asked = self.requests.asked();
            load.process = self.process;
        });
    }
}
