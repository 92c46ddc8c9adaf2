//! Leave to use the login, which all sessions share: before a CLI starts, and for each message.

use std::pin::Pin;

use ff_protocol::ClientId;
use ff_protocol::session::{EntryKind, TurnOutcome};
use serde_json::{Value, json};

use super::super::account::{Account, Slot};
use super::super::ending::Ended;
use super::super::protocol::{self, Incoming, Sign};
use super::super::turn::Finished;
use super::{ATTEMPTS, Driver, login_changed};
use crate::error::Result;
use crate::store::{Change, Write};

/// What is sent after a turn that had begun when the login was lost: the message itself, sent again,
/// would be done again from its beginning.
const GO_ON: &str = "Continue from where you left off.";

/// A driver's leave to use the login.
#[derive(Default)]
pub(super) enum Leave {
    /// It has none.
    #[default]
    None,
    /// It waits for it.
    Asked(Pin<Box<dyn Future<Output = Slot> + Send + Sync>>),
    /// It may start a CLI and send one message.
    Held(Slot),
}

impl Leave {
    /// Asks for it, unless that is done.
    pub(super) fn ask(&mut self, account: &Account) {
        if let Self::None = self {
            let account = account.clone();
            *self = Self::Asked(Box::pin(async move { account.slot().await }));
        }
    }

    /// Waits until what was asked for is there. Dropping the future loses nothing.
    pub(super) async fn granted(&mut self) {
        match self {
            Self::Asked(asked) => *self = Self::Held(asked.await),
            Self::None | Self::Held(_) => std::future::pending().await,
        }
    }

    /// Whether the CLI that was given it may be renewing the login.
    pub(super) fn may_renew(&self) -> bool {
        matches!(self, Self::Held(slot) if slot.is_only())
    }

    /// Gives it back, if it is there.
    pub(super) fn give_back(&mut self) -> Option<Slot> {
        match std::mem::take(self) {
            Self::Held(slot) => Some(slot),
            Self::None => None,
            asked @ Self::Asked(_) => {
                *self = asked;
                None
            }
        }
    }
}

impl Driver {
    /// Waits for leave to start a CLI; `false` when something else has to be looked at first. Who
    /// sent a message is not kept waiting for a login.
    pub(super) async fn has_leave(&mut self) -> bool {
        if let Leave::Held(_) = self.leave {
            return true;
        }
        self.leave.ask(&self.shared.account);
        self.publish_load();
        self.account.mark_unchanged();
        if let Err(error) = self.tell_waiting().await {
            tracing::error!(session = %self.session.id, ?error, "that the session waits could not be recorded");
        }
        if self.shared.account.required().is_some() {
            let waiting = self.accepted.drain(..).chain(self.until_ready.drain(..));
            for reply in waiting {
                let _ = reply.send(Ok(self.session.clone()));
            }
        }
        tokio::select! {
            () = self.leave.granted() => true,
            () = self.stop.cancelled() => false,
            () = login_changed(&mut self.account) => false,
            Some(command) = self.seat.commands.recv() => {
                self.command_without_process(command).await;
                false
            }
        }
    }

    async fn tell_waiting(&mut self) -> Result<()> {
        self.tell_login().await?;
        if self.reckon() {
            self.write_with_row(Write::default()).await?;
        }
        Ok(())
    }

    /// Enters in the journal, once, that the next message waits for the user to log in.
    pub(super) async fn tell_login(&mut self) -> Result<()> {
        if self.told_login || !matches!(self.leave, Leave::Asked(_)) {
            return Ok(());
        }
        let (Some(required), Some(next)) = (self.shared.account.required(), self.queue.front())
        else {
            return Ok(());
        };
        let entry = login_entry(&required.reason, &next.uuid);
        self.append(EntryKind::ClaudeMessage, entry).await?;
        self.told_login = true;
        Ok(())
    }

    /// Notes what a line says of the login.
    pub(super) fn note_login(&mut self, incoming: &Incoming) {
        match protocol::sign(incoming) {
            Some(Sign::Answered) => {
                if let Some(slot) = self.leave.give_back() {
                    slot.answered();
                }
            }
            Some(sign) => self.shown = Some(sign),
            None => {}
        }
    }

    /// The end of a turn, of which `heard` says whether the model had begun to answer. One that
    /// failed for the login alone has not failed: it waits, and goes on after the next login.
    pub(super) async fn turn_over(
        &mut self,
        finished: Finished,
        payload: Value,
        heard: bool,
    ) -> Result<()> {
        let shown = self.shown.take();
        drop(self.leave.give_back());
        let reason = match shown {
            Some(Sign::LoggedOut(shown)) if finished.outcome == TurnOutcome::Failed => {
                let reason = shown.reason.clone();
                self.shared.account.logged_out(self.login, shown).await;
                reason
            }
            Some(Sign::Busy) if self.lost < ATTEMPTS => {
                self.lost += 1;
                "another CLI renewed the login".to_owned()
            }
            _ => return self.turn_ended(Ended::told(finished, payload)).await,
        };
        if self.ending.is_some() || finished.prompt.is_none() {
            return self.turn_ended(Ended::told(finished, payload)).await;
        }
        if heard {
            self.turn_ended(Ended::told(finished, payload)).await?;
            let id = ClientId::generate();
            return self.enter(&id, GO_ON.to_owned(), true).await;
        }
        let Some(mut message) = self.sent.take() else {
            return self.turn_ended(Ended::told(finished, payload)).await;
        };
        // The CLI drops a uuid it has seen, and the message's turn was over before the model saw it.
        let uuid = uuid::Uuid::new_v4().to_string();
        let entry = login_entry(&reason, &message.uuid);
        let renamed = Change::Rename {
            uuid: std::mem::replace(&mut message.uuid, uuid.clone()),
            to: uuid,
        };
        self.queue.push_front(message);
        self.reckon();
        let write = Write::entry(&self.session, EntryKind::ClaudeMessage, entry).and(renamed);
        self.told_login = true;
        self.write_with_row(write).await.map(drop)
    }
}

fn login_entry(reason: &str, uuid: &str) -> Value {
    json!({ "type": "login_required", "reason": reason, "uuid": uuid })
}
