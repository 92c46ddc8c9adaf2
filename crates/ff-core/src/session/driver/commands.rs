//! Commands to a session, with and without a process.

use std::path::PathBuf;

use ff_protocol::ErrorCode;
use ff_protocol::session::{Activity, Answer, EntryKind, TurnOutcome};
use serde_json::json;
use tokio::time::Instant;

use super::super::permission::no_longer_open;
use super::super::process::Cli;
use super::super::protocol;
use super::super::turn::{Cut, Finished};
use super::timers::Step;
use super::{Command, Driver, Ending, Queued};
use crate::error::{Error, Result};
use crate::workspace::ensure_owned;

const LONGEST_QUEUE: usize = 100;

impl Driver {
    pub(super) async fn command_without_process(&mut self, command: Command) {
        match command {
            Command::Prompt { text, reply } => match self.accept(text).await {
                Ok(()) => self.accepted.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Interrupt { reply } => drop(reply.send(Ok(self.session.clone()))),
            Command::Stop { reply } => {
                self.drop_queue();
                self.until_process_ends.push(reply);
                self.answer_waiting();
            }
            Command::Answer { answer, reply } => {
                drop(reply.send(Err(no_longer_open(&answer.request_id))));
            }
        }
    }

    pub(super) async fn command(&mut self, cli: &mut Cli, command: Command) {
        match command {
            Command::Prompt { text, reply } => match self.accept(text).await {
                Ok(()) => self.accepted.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Interrupt { reply } => {
                self.until_turn_ends.push(reply);
                if let Err(error) = self.interrupt_or_take_back(cli).await {
                    tracing::error!(session = %self.session.id, ?error, "an interrupt could not be recorded");
                }
            }
            Command::Stop { reply } => {
                self.until_process_ends.push(reply);
                self.begin_stop(cli);
            }
            Command::Answer { answer, reply } => {
                drop(reply.send(self.answer(cli, &answer).await));
            }
        }
    }

    /// While the CLI starts, its first message is the turn as the user sees it.
    async fn interrupt_or_take_back(&mut self, cli: &Cli) -> Result<()> {
        self.interrupt(cli, Cut::Interrupt);
        if self.starting.is_some() && self.queue.pop_front().is_some() {
            let reason = Some("interrupted before it began".to_owned());
            let outcome = TurnOutcome::Interrupted;
            self.turn_cut(Finished {
                outcome,
                reason,
                result: None,
            })
            .await?;
        }
        Ok(())
    }

    /// Ends the turn that runs; a CLI that does not obey is ended.
    pub(super) fn interrupt(&mut self, cli: &Cli, cut: Cut) {
        if !self.turn.is_running() {
            return;
        }
        self.turn.cut(cut);
        cli.send(&protocol::interrupt(&uuid::Uuid::new_v4().to_string()));
        let limit = Instant::now() + self.shared.limits.interrupt;
        self.timers.step.get_or_insert((limit, Step::Terminate));
    }

    /// Enters a message in the journal and the queue.
    async fn accept(&mut self, text: String) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(Error::refused(
                ErrorCode::ShuttingDown,
                "the engine is stopping",
            ));
        }
        if self.ending == Some(Ending::Stop) {
            return Err(
                Error::refused(ErrorCode::Conflict, "the session is being stopped")
                    .hint("send the message again when it has stopped"),
            );
        }
        if self.queue.len() >= LONGEST_QUEUE {
            let detail = format!("{LONGEST_QUEUE} messages of this session wait already");
            return Err(Error::refused(ErrorCode::LimitReached, detail)
                .hint("wait for a turn to end, or interrupt it"));
        }
        let shared = &self.shared;
        let workspace =
            ensure_owned(&shared.store, &shared.owner, &self.session.workspace_id).await?;
        self.cwd = workspace
            .worktree_path
            .map(PathBuf::from)
            .unwrap_or_default();
        let uuid = uuid::Uuid::new_v4().to_string();
        self.append(
            EntryKind::UserMessage,
            json!({ "text": text, "uuid": uuid }),
        )
        .await?;
        self.queue.push_back(Queued { uuid, text });
        self.session.activity = match self.session.activity {
            Activity::Idle => Activity::Working,
            busy => busy,
        };
        Ok(())
    }

    async fn answer(&mut self, cli: &Cli, answer: &Answer) -> Result<()> {
        let (cli_id, decision) = self.requests.answer(answer)?;
        let entry = json!({
            "requestId": answer.request_id,
            "outcome": if answer.allow { "allowed" } else { "denied" },
            "message": answer.message,
            "answers": answer.answers,
        });
        // Recorded first: an answer that reached the CLI is never missing from the journal.
        let recorded = self.append(EntryKind::Answer, entry).await;
        let sent = cli.send(&protocol::decision(&cli_id, &decision));
        recorded?;
        if sent {
            Ok(())
        } else {
            Err(no_longer_open(&answer.request_id))
        }
    }
}
