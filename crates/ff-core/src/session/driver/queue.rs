//! Messages that wait for their turn.

use ff_protocol::session::{Activity, EntryKind, MessageState, Prompt, SessionStatus, TakenBack};
use ff_protocol::{ClientId, ErrorCode};
use serde_json::json;

use super::super::process::Cli;
use super::super::protocol;
use super::login::Leave;
use super::{Driver, Ending};
use crate::error::{Error, Result};
use crate::store::{Change, MessageRecord, Write};
use crate::workspace::owned;

/// Messages of a session that may wait.
const LONGEST_QUEUE: usize = 100;

impl Driver {
    /// Enters a message in the journal and the queue; one that was entered before changes nothing.
    pub(super) async fn accept(&mut self, prompt: Prompt) -> Result<()> {
        let Prompt { text, id } = prompt;
        let id = id.unwrap_or_else(ClientId::generate);
        if is_known(self.known(&id).await?.as_ref(), &self.session.id, &text)? {
            return Ok(());
        }
        self.check_open()?;
        if self.queue.len() >= LONGEST_QUEUE {
            let detail = format!("{LONGEST_QUEUE} messages of this session wait already");
            return Err(Error::refused(ErrorCode::LimitReached, detail)
                .hint("wait for a turn to end, or interrupt it"));
        }
        owned(
            &self.shared.store,
            &self.shared.owner,
            &self.session.workspace_id,
        )
        .await?;
        self.enter(&id, text, false).await
    }

    /// Refuses what a session that is closed or ending cannot do.
    pub(super) fn check_open(&self) -> Result<()> {
        let refused = |code, detail: &str| Err(Error::refused(code, detail));
        if self.stop.is_cancelled() {
            return refused(ErrorCode::ShuttingDown, "the engine is stopping");
        }
        if self.session.closed_at.is_some() {
            return refused(ErrorCode::Conflict, "the session is closed")
                .map_err(|error| error.hint("start a new one, or fork this one to go on from it"));
        }
        if self.ending == Some(Ending::Stop) {
            return refused(ErrorCode::Conflict, "the session is being stopped")
                .map_err(|error| error.hint("send the message again when it has stopped"));
        }
        Ok(())
    }

    async fn known(&self, id: &ClientId) -> Result<Option<MessageRecord>> {
        let workspace = &self.session.workspace_id;
        self.shared.store.message(workspace, id).await
    }

    /// Enters a message: at the end of the queue, or as the next one where it is `ours`.
    pub(super) async fn enter(&mut self, id: &ClientId, text: String, ours: bool) -> Result<()> {
        let uuid = uuid::Uuid::new_v4().to_string();
        let origin = if ours { "resume" } else { "user" };
        let payload = json!({ "text": text, "uuid": uuid, "id": id, "origin": origin });
        let before = self.session.clone();
        self.session.held = false;
        self.session.queued += 1;
        if self.session.status == SessionStatus::Failed {
            (self.session.status, self.session.error) = (SessionStatus::Idle, None);
        }
        if self.session.activity == Activity::Idle && !self.rests() {
            self.session.activity = Activity::Working;
        }
        let enter = Change::Enter {
            id: id.clone(),
            uuid: uuid.clone(),
        };
        let write = Write::entry(&self.session, EntryKind::UserMessage, payload).and(enter);
        let entries = match self.write_with_row(write).await {
            Ok(entries) => entries,
            Err(error) => {
                self.session = before;
                return Err(error);
            }
        };
        let message = MessageRecord {
            session: self.session.id.clone(),
            uuid,
            seq: entries.first().map_or(0, |entry| entry.seq),
            text,
        };
        match ours {
            true => self.queue.push_front(message),
            false => self.queue.push_back(message),
        }
        Ok(())
    }

    /// Gives the CLI the next message, if it can take one.
    pub(super) fn send_next(&mut self, cli: &Cli) {
        let free = self.starting.is_none()
            && self.ending.is_none()
            && self.configuring.is_empty()
            && !self.session.held
            && !self.shared.doors.is_closed(&self.session.workspace_id)
            && self.turn.takes_prompt();
        let Some(next) = self.queue.front().filter(|_| free) else {
            return;
        };
        let Leave::Held(slot) = &self.leave else {
            self.leave.ask(&self.shared.account);
            return;
        };
        if cli.send(&protocol::user_message(&next.uuid, &next.text)) {
            (self.login, self.told_login) = (slot.login(), false);
            self.turn.prompt_sent(&next.uuid);
            self.sent = self.queue.pop_front();
        }
    }

    /// Takes back the messages that wait.
    pub(super) fn drop_queue(&mut self) {
        self.unsent += self.queue.len();
        for MessageRecord {
            uuid, seq, text, ..
        } in self.queue.drain(..)
        {
            let state = MessageState::Cancelled;
            self.changes.push(Change::Message { uuid, state });
            self.taken_back.push(TakenBack { seq, text });
        }
        self.session.held = false;
    }
}

/// Whether a message under the same id is entered already.
///
/// # Errors
/// `conflict` when that was another message.
pub(in crate::session) fn is_known(
    known: Option<&MessageRecord>,
    session: &ff_protocol::SessionId,
    text: &str,
) -> Result<bool> {
    match known {
        None => Ok(false),
        Some(known) if known.session == *session && known.text == text => Ok(true),
        Some(_) => {
            let detail = "another message was sent under this id";
            Err(Error::refused(ErrorCode::Conflict, detail).hint("make a new id for each message"))
        }
    }
}
