//! What is asked of one session; most of it goes to the session's driver.

use std::sync::{Arc, PoisonError};

use ff_protocol::session::{
    Answer, Capabilities, Configure, Prompt, RequestState, Session, Stopped, UserRequest,
};
use ff_protocol::socket::{ClientFrame, Intent};
use ff_protocol::{ClientId, ErrorCode, SessionId, WorkspaceId};
use tokio::sync::oneshot;

use super::check::{check_prompt, check_word, unknown};
use super::driver::{self, Command, Driver, Reply};
use super::registry::Seat;
use super::{INTERRUPTS, Sessions};
use crate::error::{Error, Result};

const ATTEMPTS: usize = 5;

impl Sessions {
    /// Carries out a frame of the workspace socket.
    ///
    /// # Errors
    /// As the call it stands for.
    pub async fn say(&self, workspace: &WorkspaceId, frame: ClientFrame) -> Result<()> {
        let (session, intent) = frame.into_intent();
        match intent {
            Intent::Prompt(prompt) => {
                self.prompt(workspace, &session, prompt).await?;
            }
            Intent::Answer(answer) => self.answer(workspace, &session, answer).await?,
            Intent::Interrupt(id) => {
                self.interrupt(workspace, &session, Some(&id)).await?;
            }
        }
        Ok(())
    }

    /// Gives the model a message; starts the CLI if it does not run. It is in the journal when
    /// this returns, and waits its turn if one runs. The same id again changes nothing.
    ///
    /// # Errors
    /// `invalid` for an empty message, `too_large` over 1 MiB, `conflict` for a closed session or
    /// an id of another message, `limit_reached` when 100 wait or the workspace or machine has no
    /// place for one more CLI, `not_owner`, `handoff_active`.
    pub async fn prompt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        prompt: Prompt,
    ) -> Result<Session> {
        let session = self.known(workspace, session).await?;
        if prompt.text.trim().is_empty() {
            return Err(Error::refused(ErrorCode::Invalid, "a message needs text"));
        }
        check_prompt(Some(&prompt.text))?;
        self.give_prompt(&session, prompt).await
    }

    /// Starts the CLI if it does not run, and lets messages that wait for the user go on.
    ///
    /// # Errors
    /// As [`Self::prompt`].
    pub async fn resume(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        self.known(workspace, session).await?;
        self.ask_driver(workspace, session, |reply| Command::Resume { reply })
            .await
    }

    /// Changes settings. A running CLI is asked first; what it does not take stays as it was.
    ///
    /// # Errors
    /// `invalid` for a bad name or model and for what the CLI refuses, in its words; `conflict` for
    /// a closed session.
    pub async fn configure(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        change: Configure,
    ) -> Result<Session> {
        self.known(workspace, session).await?;
        check_word("name", change.name.as_deref())?;
        check_word("model", change.model.as_deref())?;
        self.ask_driver(workspace, session, |reply| Command::Configure {
            change: change.clone(),
            reply,
        })
        .await
    }

    /// Ends the turn that runs, if any, and returns when it has ended. A CLI that does not obey
    /// is killed. Messages that wait are sent afterwards. The same id again interrupts nothing.
    pub async fn interrupt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        id: Option<&ClientId>,
    ) -> Result<Session> {
        let row = self.known(workspace, session).await?;
        if id.is_some_and(|id| self.is_repeated(id)) {
            return Ok(row);
        }
        let interrupted = self
            .to_live(session, |reply| Command::Interrupt { reply })
            .await?;
        match interrupted {
            Some(session) => Ok(session),
            None => self.known(workspace, session).await,
        }
    }

    fn is_repeated(&self, id: &ClientId) -> bool {
        let mut seen = self
            .interrupts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if seen.contains(id) {
            return true;
        }
        if seen.len() == INTERRUPTS {
            seen.pop_front();
        }
        seen.push_back(id.clone());
        false
    }

    /// Ends the CLI with everything it started, and returns when all of it is gone. Messages
    /// that wait are taken back.
    pub async fn stop(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Stopped> {
        let row = self.known(workspace, session).await?;
        if row.queued == 0 && self.registry.get(session).is_none() {
            return Ok(nothing_taken_back(row));
        }
        let close = false;
        self.ask_driver(workspace, session, |reply| Command::Stop { close, reply })
            .await
    }

    /// Stops a session for good: it takes no message any more. Its journal and transcript stay.
    /// Closing it again changes nothing.
    pub async fn close(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Stopped> {
        let row = self.known(workspace, session).await?;
        if row.closed_at.is_some() && self.registry.get(session).is_none() {
            return Ok(nothing_taken_back(row));
        }
        let close = true;
        self.ask_driver(workspace, session, |reply| Command::Stop { close, reply })
            .await
    }

    /// Answers a permission request or question. When the CLI that asked is gone, the session is
    /// resumed, and the answer counts if the CLI asks the same again. The same answer under the
    /// same id may come again.
    ///
    /// # Errors
    /// `conflict` when it is answered already, with who did; `not_found` when the session never
    /// asked; `invalid` for a question allowed without answers.
    pub async fn answer(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        answer: Answer,
    ) -> Result<()> {
        self.known(workspace, session).await?;
        check_word("answerer", answer.by.as_deref())?;
        check_prompt(answer.message.as_deref())?;
        let id = &answer.request_id;
        let Some(record) = self.shared.store.request(session, id).await? else {
            return Err(driver::unknown_request(id));
        };
        if !matches!(record.state, RequestState::Open | RequestState::Orphaned) {
            return driver::is_repeated_answer(&record, &answer);
        }
        self.ask_driver(workspace, session, |reply| Command::Answer {
            answer: answer.clone(),
            reply,
        })
        .await
    }

    /// Requests that wait for an answer, of a session or of the whole workspace, oldest first.
    ///
    /// # Errors
    /// `not_found`; or the store failed.
    pub async fn requests(
        &self,
        workspace: &WorkspaceId,
        session: Option<&SessionId>,
    ) -> Result<Vec<UserRequest>> {
        match session {
            Some(session) => drop(self.known(workspace, session).await?),
            None => drop(self.shared.store.known_workspace(workspace).await?),
        }
        let waiting = self
            .shared
            .store
            .waiting_requests(workspace, session)
            .await?;
        Ok(waiting.into_iter().map(UserRequest::from).collect())
    }

    /// What the CLI offers in this workspace, as it said when it last started.
    ///
    /// # Errors
    /// `conflict` when none has started here since the engine did.
    pub async fn capabilities(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Capabilities> {
        self.known(workspace, session).await?;
        let offers = self
            .shared
            .offers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let offer = offers
            .get(workspace)
            .map(|offer| Capabilities::clone(offer));
        offer.ok_or_else(|| {
            let detail = "the Claude CLI has not started in this workspace yet";
            Error::refused(ErrorCode::Conflict, detail).hint("resume the session, then ask again")
        })
    }

    /// From now on no CLI is started here: what is entered waits for the next engine. For a process
    /// that does not stay.
    pub fn rest(&self) {
        self.shared.doors.rest();
    }

    pub(super) async fn known(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Session> {
        self.shared.store.known_workspace(workspace).await?;
        let row = self.shared.store.session(workspace, session).await?;
        row.ok_or_else(|| unknown(session))
    }

    /// Asks a session if it lives.
    pub(super) async fn to_live<T>(
        &self,
        session: &SessionId,
        command: impl Fn(Reply<T>) -> Command,
    ) -> Result<Option<T>> {
        for _ in 0..ATTEMPTS {
            let Some(live) = self.registry.get(session) else {
                break;
            };
            let (reply, answered) = oneshot::channel();
            if live.commands.send(command(reply)).await.is_err() {
                continue;
            }
            if let Ok(answer) = answered.await {
                return answer.map(Some);
            }
        }
        Ok(None)
    }

    pub(super) async fn give_prompt(&self, session: &Session, prompt: Prompt) -> Result<Session> {
        let (workspace, id) = (&session.workspace_id, &session.id);
        if let Some(client) = &prompt.id {
            let known = self.shared.store.message(workspace, client).await?;
            if driver::is_known(known.as_ref(), id, &prompt.text)? {
                return self.known(workspace, id).await;
            }
        }
        self.ask_driver(workspace, id, |reply| Command::Prompt {
            prompt: prompt.clone(),
            reply,
        })
        .await
    }

    /// Asks the session's driver, which is started if there is none.
    async fn ask_driver<T>(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        command: impl Fn(Reply<T>) -> Command,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let (reply, answered) = oneshot::channel();
            self.to_driver(workspace, session, command(reply)).await?;
            // A driver that ends just now drops what it was sent unseen; then the next one gets it.
            if let Ok(answer) = answered.await {
                return answer;
            }
        }
        let detail = "the session ends again and again before it takes the message";
        Err(Error::refused(ErrorCode::Conflict, detail).hint("send it again"))
    }

    pub(super) async fn to_driver(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        command: Command,
    ) -> Result<()> {
        let starts = match command {
            Command::Stop { .. } | Command::Leave { .. } | Command::Configure { .. } => false,
            Command::Prompt { .. }
            | Command::Resume { .. }
            | Command::Interrupt { .. }
            | Command::Answer { .. }
            | Command::Wake => true,
        };
        let most = starts.then_some(self.shared.config.live_sessions);
        let (live, seat) = self.registry.enter(workspace, session, most)?;
        match seat {
            Some(seat) => self.start_driver(seat, workspace, session, command).await,
            None => {
                // One that has ended drops it, which its sender sees.
                let _ = live.commands.send(command).await;
                Ok(())
            }
        }
    }

    async fn start_driver(
        &self,
        seat: Seat,
        workspace: &WorkspaceId,
        session: &SessionId,
        first: Command,
    ) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(Error::refused(
                ErrorCode::ShuttingDown,
                "the engine is stopping",
            ));
        }
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let driver = Driver::new(seat, shared, stop, workspace, session).await?;
        self.drivers.spawn(driver.run(first));
        Ok(())
    }
}

/// A session that had nothing to stop.
fn nothing_taken_back(session: Session) -> Stopped {
    Stopped {
        session,
        taken_back: Vec::new(),
    }
}
