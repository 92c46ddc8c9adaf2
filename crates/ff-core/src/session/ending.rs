//! The end of a turn, as it is written down: the same whoever finds that it has ended.

use ff_protocol::session::{EntryKind, LastTurn, MessageState, Session, TurnOutcome};
use serde_json::{Value, json};

use super::delivery::Fate;
use super::permission::{Requests, answer_entry};
use super::turn::Finished;
use crate::clock;
use crate::store::{Change, Write};

const CUT: &str = "the engine ended while the turn ran";
const RECOVERED: &str =
    "the turn ended before its result could be entered; taken from the CLI's transcript";

/// A turn that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// How, and of which message.
    pub(super) finished: Finished,
    /// What the CLI had said in it and nobody has entered yet.
    lines: Vec<Value>,
    /// The entry that ends it.
    entry: Value,
}

impl Ended {
    /// The CLI has told its end, with this `result`.
    pub(super) fn told(finished: Finished, result: Value) -> Self {
        Self {
            finished,
            lines: Vec::new(),
            entry: result,
        }
    }

    /// It ended without the CLI's word.
    pub(super) fn cut(finished: Finished) -> Self {
        let entry = json!({
            "type": "result",
            "subtype": "cut",
            "is_error": true,
            "outcome": finished.outcome,
            "errors": [finished.reason],
        });
        Self::told(finished, entry)
    }

    /// Its end was found in the CLI's transcript; one that was cut there has ended with its engine.
    pub(super) fn found(fate: Fate, prompt: Option<String>) -> Self {
        let (outcome, reason) = match fate {
            Fate::Finished(..) => (TurnOutcome::Completed, RECOVERED),
            Fate::Begun(_) | Fate::Absent => (TurnOutcome::Interrupted, CUT),
        };
        let finished = Finished {
            prompt,
            reason: Some(reason.to_owned()),
            ..Finished::of(outcome)
        };
        match fate {
            Fate::Absent => Self::cut(finished),
            Fate::Begun(lines) => Self {
                lines,
                ..Self::cut(finished)
            },
            Fate::Finished(lines, text) => {
                let entry = json!({
                    "type": "result", "subtype": "success", "is_error": false,
                    "result": text, "recovered": true,
                });
                let result = Some(text);
                Self {
                    finished: Finished { result, ..finished },
                    lines,
                    entry,
                }
            }
        }
    }

    /// Takes it into the session and its requests. Gives all that is to be written, but the
    /// session's row.
    pub(super) fn settle(self, session: &mut Session, requests: &mut Requests) -> Write {
        let Self {
            finished,
            lines,
            entry,
        } = self;
        let mut write = Write::default();
        for line in lines {
            write = write.and_entry(session, EntryKind::ClaudeMessage, line);
        }
        write = write.and_entry(session, EntryKind::TurnEnded, entry);
        if let Some(uuid) = finished.prompt {
            let state = match finished.outcome {
                TurnOutcome::Completed | TurnOutcome::Failed => MessageState::Done,
                TurnOutcome::Interrupted | TurnOutcome::TimedOut => MessageState::Interrupted,
            };
            write = write.and(Change::Message { uuid, state });
        }
        if finished.outcome == TurnOutcome::Completed {
            let (cancelled, dropped) = requests.settle();
            for record in cancelled {
                write = write
                    .and_entry(session, EntryKind::Answer, answer_entry(&record))
                    .and(Change::Request(Box::new(record)));
            }
            let dropped = dropped.into_iter().map(Box::new).map(Change::Request);
            write = dropped.fold(write, Write::and);
        }
        session.last_turn = Some(LastTurn {
            outcome: finished.outcome,
            reason: finished.reason,
            failure: finished.failure,
            result: finished.result,
            usage: finished.usage,
            cost_usd: finished.total_cost_usd.map(|total| cost(session, total)),
            ended_at: clock::now(),
        });
        write
    }
}

/// A CLI is gone: its requests outlive it, and the turn it ran, if any, has ended. Gives all that is
/// to be written, but the session's row.
pub(super) fn cli_gone(
    session: &mut Session,
    requests: &mut Requests,
    ended: Option<Ended>,
) -> Write {
    // What it asked itself is not moot for its having ended.
    let settled = ended.map(|ended| ended.settle(session, requests));
    let mut write = Write::default();
    for record in requests.orphan_all() {
        write = write
            .and_entry(session, EntryKind::Answer, answer_entry(&record))
            .and(Change::Request(Box::new(record)));
    }
    match settled {
        Some(settled) => write.with(settled),
        None => write,
    }
}

/// What the turn cost, by the conversation's total after it.
fn cost(session: &mut Session, total: f64) -> f64 {
    // The CLI counts on after a clean end, and from nothing after a kill.
    let before = session.total_cost_usd.unwrap_or_default();
    session.total_cost_usd = Some(before.max(total));
    match total >= before {
        true => total - before,
        false => total,
    }
}
