//! The turn of a session, as a pure state machine.
//!
//! ```text
//!            prompt sent | the CLI starts one by itself
//!      Idle ------------------------------------------> Running
//!        ^                                                 |
//!        +----------- result | process ended --------------+
//! ```
//!
//! A result that answers another message than ours leaves the turn running. Background tasks of
//! the CLI outlive turns; when one ends the CLI starts a turn of its own about it.

use ff_protocol::session::{Activity, TurnOutcome};

use super::protocol::{Incoming, Message, System, TurnResult};

/// Why a turn is being ended from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The user asked for it, or the session is being stopped.
    Interrupt,
    /// It ran longer than its limit.
    Limit,
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    /// How it ended.
    pub(super) outcome: TurnOutcome,
    /// Why, where it did not complete.
    pub(super) reason: Option<String>,
    /// The model's final text, where it completed.
    pub(super) result: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Running {
    prompt: Option<String>,
    cut: Option<Cut>,
    logged_out: bool,
}

/// What a session's CLI is doing.
#[derive(Debug, Default)]
pub(super) struct Turn {
    running: Option<Running>,
    background: usize,
    follow_up: bool,
}

impl Turn {
    /// Whether a turn runs.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the CLI would take a message as the start of a turn.
    pub(super) fn takes_prompt(&self) -> bool {
        self.running.is_none() && !self.follow_up
    }

    /// Background tasks that run.
    pub(super) fn background(&self) -> usize {
        self.background
    }

    /// Whether the CLI is about to start a turn of its own.
    pub(super) fn awaits_follow_up(&self) -> bool {
        self.follow_up
    }

    /// Whether nothing runs and nothing is about to.
    pub(super) fn is_quiet(&self) -> bool {
        self.takes_prompt() && self.background == 0
    }

    /// What it looks like from outside.
    pub(super) fn activity(&self, open_requests: usize) -> Activity {
        match (open_requests, self.is_quiet()) {
            (1.., _) => Activity::WaitingForUser,
            (0, true) => Activity::Idle,
            (0, false) => Activity::Working,
        }
    }

    /// A message with this uuid was given to the CLI.
    pub(super) fn prompt_sent(&mut self, uuid: &str) {
        self.begin(Some(uuid.to_owned()));
    }

    /// The turn that runs, if any, is being ended by us. The first cause stays.
    pub(super) fn cut(&mut self, cut: Cut) {
        if let Some(running) = &mut self.running {
            running.cut.get_or_insert(cut);
        }
    }

    /// The announced turn of the CLI did not come.
    pub(super) fn follow_up_missed(&mut self) {
        self.follow_up = false;
    }

    /// Takes in a line of the CLI; gives the turn's end if the line ended it.
    pub(super) fn line(&mut self, incoming: &Incoming) -> Option<Finished> {
        match &incoming.message {
            Message::System(System::Init { .. }) if self.running.is_none() => self.begin(None),
            Message::System(System::BackgroundTasksChanged { tasks }) => {
                self.background = tasks.len();
            }
            Message::System(System::TaskNotification) => self.follow_up = self.running.is_none(),
            Message::Assistant(line) => {
                if let Some(running) = &mut self.running {
                    running.logged_out |= line.error.as_deref() == Some("authentication_failed");
                }
            }
            Message::Result(result) => return self.result(result),
            Message::CommandLifecycle(change) if change.state == "cancelled" => {
                let ours = self.running.as_ref()?.prompt.as_ref()? == &change.command_uuid;
                if ours {
                    return self.process_ended("the CLI dropped the message");
                }
            }
            _ => {}
        }
        None
    }

    /// The process is gone: whatever ran is over.
    pub(super) fn process_ended(&mut self, reason: &str) -> Option<Finished> {
        self.background = 0;
        self.follow_up = false;
        let running = self.running.take()?;
        let (outcome, reason) = match running.cut {
            Some(Cut::Limit) => (TurnOutcome::TimedOut, over_limit()),
            Some(Cut::Interrupt) => (TurnOutcome::Interrupted, interrupted()),
            None => (TurnOutcome::Interrupted, reason.to_owned()),
        };
        Some(Finished {
            outcome,
            reason: Some(reason),
            result: None,
        })
    }

    fn begin(&mut self, prompt: Option<String>) {
        self.follow_up = false;
        self.running = Some(Running {
            prompt,
            cut: None,
            logged_out: false,
        });
    }

    fn result(&mut self, result: &TurnResult) -> Option<Finished> {
        let running = self.running.as_ref()?;
        if running
            .prompt
            .as_ref()
            .is_some_and(|uuid| !result.answers(uuid))
        {
            return None;
        }
        let (cut, logged_out) = (running.cut, running.logged_out);
        self.running = None;
        if !result.is_error && !result.aborted() {
            let text = result.result.clone();
            return Some(Finished {
                outcome: TurnOutcome::Completed,
                reason: None,
                result: text,
            });
        }
        let (outcome, reason) = match cut {
            Some(Cut::Limit) => (TurnOutcome::TimedOut, over_limit()),
            Some(Cut::Interrupt) => (TurnOutcome::Interrupted, interrupted()),
            None if result.aborted() => (TurnOutcome::Interrupted, interrupted()),
            None => (TurnOutcome::Failed, failure(result, logged_out)),
        };
        Some(Finished {
            outcome,
            reason: Some(reason),
            result: None,
        })
    }
}

fn interrupted() -> String {
    "interrupted".to_owned()
}

fn over_limit() -> String {
    "it ran longer than the limit for one turn".to_owned()
}

fn failure(result: &TurnResult, logged_out: bool) -> String {
    let text = result.failure();
    if logged_out || text.contains("/login") {
        return format!("{text} (run `claude auth login` in a terminal)");
    }
    text
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
