//! The session's row, journal and watchers, and what follows from its state.

use ff_protocol::session::{Activity, EntryKind, SessionStatus};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::events::Event;
use super::super::load::Busy;
use super::super::process::Cli;
use super::super::protocol;
use super::timers::{Step, keep};
use super::{Driver, Ending};
use crate::clock;
use crate::error::Result;

impl Driver {
    /// Does what the state asks for: the next message, timers, the row, answers that waited.
    pub(super) async fn settle(&mut self, cli: &mut Cli) -> Result<()> {
        self.send_next(cli);
        self.set_timers();
        self.close_when_stopped(cli);
        self.publish_load();
        let activity = match self.turn.activity(self.requests.open_count()) {
            Activity::Idle if !self.queue.is_empty() => Activity::Working,
            activity => activity,
        };
        if activity != self.session.activity || self.unsaved || !self.accepted.is_empty() {
            self.session.activity = activity;
            self.save().await?;
        }
        for reply in self.accepted.drain(..) {
            let _ = reply.send(Ok(self.session.clone()));
        }
        if !self.turn.is_running() {
            for reply in self.until_turn_ends.drain(..) {
                let _ = reply.send(Ok(self.session.clone()));
            }
        }
        Ok(())
    }

    fn send_next(&mut self, cli: &Cli) {
        let free = self.starting.is_none() && self.ending.is_none() && self.turn.takes_prompt();
        let Some(next) = self.queue.front().filter(|_| free) else {
            return;
        };
        if cli.send(&protocol::user_message(&next.uuid, &next.text)) {
            self.turn.prompt_sent(&next.uuid);
            self.queue.pop_front();
        }
    }

    fn set_timers(&mut self) {
        let limits = &self.shared.limits;
        let running = self.turn.is_running();
        let at_rest = self.turn.is_quiet()
            && self.requests.open_count() == 0
            && self.queue.is_empty()
            && self.starting.is_none()
            && self.ending.is_none();
        let now = Instant::now();
        keep(&mut self.timers.turn, running, now + limits.turn);
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
        if !running && self.ending.is_none() {
            self.timers.step = None;
        }
    }

    fn close_when_stopped(&mut self, cli: &mut Cli) {
        let closing = self.ending == Some(Ending::Stop) && !self.turn.is_running();
        if closing && cli.close_stdin() {
            let limit = Instant::now() + self.shared.limits.exit;
            self.timers.step = Some((limit, Step::Terminate));
        }
    }

    /// The process began or ended.
    pub(super) async fn process_state(
        &mut self,
        status: SessionStatus,
        error: Option<String>,
    ) -> Result<()> {
        self.session.status = status;
        self.session.error = error;
        if status != SessionStatus::Running && self.queue.is_empty() {
            self.session.activity = Activity::Idle;
        }
        let unsent = std::mem::take(&mut self.unsent);
        let entry = json!({ "status": status, "error": self.session.error, "unsent": unsent });
        self.append(EntryKind::Status, entry).await?;
        self.publish_load();
        self.save().await?;
        if status != SessionStatus::Running {
            self.answer_waiting();
        }
        Ok(())
    }

    /// Answers everyone who waits for a turn or a process that is over.
    pub(super) fn answer_waiting(&mut self) {
        let waiting = self
            .accepted
            .drain(..)
            .chain(self.until_turn_ends.drain(..))
            .chain(self.until_process_ends.drain(..));
        for reply in waiting {
            // Whoever asked may have gone meanwhile.
            let _ = reply.send(Ok(self.session.clone()));
        }
    }

    /// Enters something in the journal and tells the watchers.
    pub(super) async fn append(&self, kind: EntryKind, payload: Value) -> Result<()> {
        let session = &self.session;
        let entry = self
            .shared
            .store
            .append(&session.workspace_id, &session.id, kind, payload)
            .await?;
        self.tell(Event::Entry { seq: entry.seq });
        Ok(())
    }

    /// Tells the watchers.
    pub(super) fn tell(&self, event: Event) {
        self.shared.events.send(&self.session.workspace_id, event);
    }

    async fn save(&mut self) -> Result<()> {
        self.session.updated_at = clock::now();
        self.shared.store.update_session(&self.session).await?;
        self.unsaved = false;
        self.tell(Event::Status(Box::new(self.session.clone())));
        Ok(())
    }

    fn publish_load(&self) {
        let busy = Busy {
            turn: self.turn.is_running() || self.turn.awaits_follow_up(),
            background: self.turn.background() > 0,
            queued: !self.queue.is_empty(),
        };
        self.seat.load.send_modify(|load| {
            load.note(busy, clock::now());
            load.name.clone_from(&self.session.name);
            load.asked = self.requests.asked();
            load.process = self.process;
        });
    }
}
