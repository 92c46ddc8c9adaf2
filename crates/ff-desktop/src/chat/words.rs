//! The words of a conversation for what is not said in it. Pure.

use ff_protocol::session::{Session, SessionStatus, TurnOutcome};

use crate::clean::{clean, clean_line};
use crate::output::wire_name;

/// What the user should know of a session.
pub fn warning(text: &str) -> String {
    format!("warning: {}", clean_line(text))
}

/// What went wrong between two states of a session.
pub fn trouble(before: &Session, now: &Session) -> Option<String> {
    if now.status == SessionStatus::Failed && before.status != SessionStatus::Failed {
        let why = now.error.as_deref().unwrap_or("no reason is known");
        return Some(format!("the session failed: {}", clean(why)));
    }
    let turn = now.last_turn.as_ref()?;
    if now.last_turn == before.last_turn || turn.outcome == TurnOutcome::Completed {
        return None;
    }
    let outcome = wire_name(&turn.outcome);
    let why = turn.reason.as_deref().map(clean_line);
    let why = why.filter(|why| *why != outcome);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("turn {outcome}{why}"))
}
