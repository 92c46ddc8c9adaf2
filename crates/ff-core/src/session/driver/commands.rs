//! Commands to a session, with and without a process.

use ff_protocol::session::{EntryKind, Stopped, TurnOutcome};
use serde_json::json;
use tokio::time::Instant;

use super::super::ending::Ended;
use super::super::process::Cli;
use super::super::protocol;
use super::super::turn::{Cut, Finished};
use super::timers::Step;
use super::{Command, Driver};
use crate::clock;
use crate::error::Result;
use crate::store::Write;

impl Driver {
    pub(super) async fn command_without_process(&mut self, command: Command) {
        match command {
            Command::Prompt { prompt, reply } => match self.accept(prompt).await {
                Ok(()) => self.accepted.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Resume { reply } => match self.check_open() {
                Ok(()) => {
                    self.resume();
                    self.until_ready.push(reply);
                }
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Interrupt { reply } => {
                let taken_back = self.take_back_next().await;
                drop(reply.send(taken_back.map(|()| self.session.clone())));
            }
            Command::Stop { close, reply } => {
                let stopped = self.stop_without_process(close).await;
                drop(reply.send(stopped.map(|()| self.stopped())));
            }
            Command::Leave { reply } => {
                let stopped = Stopped {
                    session: self.session.clone(),
                    taken_back: Vec::new(),
                };
                drop(reply.send(Ok(stopped)));
            }
            Command::Configure { change, reply } => {
                let configured = self.configure_row(&change).await;
                drop(reply.send(configured.map(|()| self.session.clone())));
            }
            Command::Answer { answer, reply } => drop(reply.send(self.answer(None, answer).await)),
            Command::Wake => {}
        }
    }

    pub(super) async fn command(&mut self, cli: &mut Cli, command: Command) {
        match command {
            Command::Prompt { prompt, reply } => match self.accept(prompt).await {
                Ok(()) => self.accepted.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Resume { reply } => match self.check_open() {
                Ok(()) => {
                    self.session.held = false;
                    self.until_ready.push(reply);
                }
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Interrupt { reply } => {
                self.until_turn_ends.push(reply);
                if let Err(error) = self.interrupt_or_take_back(cli).await {
                    tracing::error!(session = %self.session.id, ?error, "an interrupt could not be recorded");
                }
            }
            Command::Stop { close, reply } => {
                if close {
                    self.session.closed_at.get_or_insert_with(clock::now);
                    self.unsaved = true;
                }
                self.until_process_ends.push(reply);
                self.begin_stop(cli);
            }
            Command::Leave { reply } => {
                self.until_process_ends.push(reply);
                self.begin_leave(cli);
            }
            Command::Configure { change, reply } => self.configure(cli, change, reply).await,
            Command::Answer { answer, reply } => {
                drop(reply.send(self.answer(Some(cli), answer).await));
            }
            Command::Wake => {}
        }
    }

    fn resume(&mut self) {
        self.session.held = false;
        self.wanted = true;
    }

    async fn stop_without_process(&mut self, close: bool) -> Result<()> {
        let closes = close && self.session.closed_at.is_none();
        if self.queue.is_empty() && !closes {
            return Ok(());
        }
        if closes {
            self.session.closed_at = Some(clock::now());
        }
        self.drop_queue();
        let unsent = std::mem::take(&mut self.unsent);
        let entry = json!({
            "status": self.session.status,
            "error": self.session.error,
            "unsent": unsent,
            "closed": close,
        });
        self.reckon();
        let write = Write::entry(&self.session, EntryKind::Status, entry);
        self.write_with_row(write).await.map(drop)
    }

    async fn interrupt_or_take_back(&mut self, cli: &Cli) -> Result<()> {
        self.interrupt(cli, Cut::Interrupt);
        if self.turn.is_running() {
            return Ok(());
        }
        self.take_back_next().await
    }

    /// The message that is to be sent next, if none runs, is the turn as the user sees it: it may
    /// wait for a login.
    async fn take_back_next(&mut self) -> Result<()> {
        if !self.session.held
            && let Some(message) = self.queue.pop_front()
        {
            let finished = Finished {
                prompt: Some(message.uuid),
                reason: Some("interrupted before it began".to_owned()),
                ..Finished::of(TurnOutcome::Interrupted)
            };
            self.turn_ended(Ended::cut(finished)).await?;
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
        let limits = &self.shared.limits;
        let limit = match self.leave.may_renew() {
            true => limits.interrupt.max(limits.renewal),
            false => limits.interrupt,
        };
        let limit = Instant::now() + limit;
        self.timers.step.get_or_insert((limit, Step::Terminate));
    }
}
