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

use std::collections::HashSet;

use ff_protocol::session::{Activity, TurnFailure, TurnOutcome, Usage};

use super::protocol::{Incoming, Message, System, TurnResult};

/// Why a turn is being ended from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The user asked for it, or the session is being stopped.
    Interrupt,
    /// It ran longer than its limit.
    Limit,
    /// The CLI gave no sign of life.
    Silence,
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finished {
    /// The message it answered, if it answered one of ours.
    pub(super) prompt: Option<String>,
    /// How it ended.
    pub(super) outcome: TurnOutcome,
    /// Why, where it did not complete.
    pub(super) reason: Option<String>,
    /// What kept it from completing, where the CLI told it.
    pub(super) failure: Option<TurnFailure>,
    /// The model's final text, where it completed.
    pub(super) result: Option<String>,
    /// What it used.
    pub(super) usage: Option<Usage>,
    /// What the conversation has cost so far.
    pub(super) total_cost_usd: Option<f64>,
}

/// Most tools of one turn that are followed.
const TOOLS: usize = 1000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Running {
    prompt: Option<String>,
    cut: Option<Cut>,
    logged_out: bool,
    /// The model has answered.
    heard: bool,
    /// Tools that run.
    tools: HashSet<String>,
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

    /// Whether the model has answered in the turn that runs: the message has surely reached it.
    pub(super) fn is_heard(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.heard)
    }

    /// Whether a tool runs; it may say nothing for long.
    pub(super) fn runs_tool(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| !running.tools.is_empty())
    }

    /// The message whose turn runs.
    pub(super) fn prompt(&self) -> Option<&str> {
        self.running.as_ref()?.prompt.as_deref()
    }

    /// The turn that runs never began: its message did not reach the CLI. Gives that message.
    pub(super) fn take_back(&mut self) -> Option<String> {
        self.running
            .take_if(|running| running.prompt.is_some())?
            .prompt
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
            Message::StreamEvent(_) => {
                if let Some(running) = &mut self.running {
                    running.heard = true;
                }
            }
            Message::Assistant(line) => {
                if let Some(running) = &mut self.running {
                    // What the CLI made up is no answer of the model.
                    running.heard |= line.error.is_none();
                    running.logged_out |= line.error.as_deref() == Some("authentication_failed");
                    let room = TOOLS.saturating_sub(running.tools.len());
                    running
                        .tools
                        .extend(line.tools.begun.iter().take(room).cloned());
                }
            }
            Message::User(tools) => {
                if let Some(running) = &mut self.running {
                    tools.ended.iter().for_each(|id| {
                        running.tools.remove(id);
                    });
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
        let (outcome, reason) = running
            .cut
            .map_or((TurnOutcome::Interrupted, reason.to_owned()), Cut::told);
        Some(Finished {
            prompt: running.prompt,
            reason: Some(reason),
            ..Finished::of(outcome)
        })
    }

    fn begin(&mut self, prompt: Option<String>) {
        self.follow_up = false;
        self.running = Some(Running {
            prompt,
            ..Running::default()
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
        let running = self.running.take()?;
        let end = Finished {
            prompt: running.prompt,
            usage: result.usage,
            total_cost_usd: result.total_cost_usd,
            ..Finished::of(TurnOutcome::Completed)
        };
        if !result.is_error && !result.aborted() {
            let result = result.result.clone();
            return Some(Finished { result, ..end });
        }
        if let Some((outcome, reason)) = running
            .cut
            .or_else(|| result.aborted().then_some(Cut::Interrupt))
            .map(Cut::told)
        {
            return Some(Finished {
                outcome,
                reason: Some(reason),
                ..end
            });
        }
        let failure = match running.logged_out {
            true => Some(TurnFailure::LoggedOut),
            false => result.kind(),
        };
        Some(Finished {
            outcome: TurnOutcome::Failed,
            reason: Some(told(result.failure(), failure)),
            failure,
            ..end
        })
    }
}

impl Finished {
    /// A turn that ended so.
    pub(super) fn of(outcome: TurnOutcome) -> Self {
        Self {
            prompt: None,
            outcome,
            reason: None,
            failure: None,
            result: None,
            usage: None,
            total_cost_usd: None,
        }
    }
}

impl Cut {
    /// How a turn that was cut so ended, and why.
    fn told(self) -> (TurnOutcome, String) {
        match self {
            Self::Interrupt => (TurnOutcome::Interrupted, "interrupted".to_owned()),
            Self::Limit => (
                TurnOutcome::TimedOut,
                "it ran longer than the limit for one turn".to_owned(),
            ),
            Self::Silence => (
                TurnOutcome::TimedOut,
                "the Claude CLI gave no sign of life for too long".to_owned(),
            ),
        }
    }
}

/// What the CLI said, and what to do about it.
fn told(text: String, failure: Option<TurnFailure>) -> String {
    let hint = match failure {
        Some(TurnFailure::LoggedOut) => "run `claude auth login` in a terminal",
        Some(TurnFailure::RateLimited) => {
            "the account's limit is reached: wait, then send the message again"
        }
        Some(TurnFailure::Overloaded) => "the API has too much to do: send the message again later",
        Some(TurnFailure::Unreachable) => {
            "the API cannot be reached: check the network, then send the message again"
        }
        Some(TurnFailure::Api | TurnFailure::Cli) | None => return text,
    };
    format!("{text} ({hint})")
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
