//! The words of a conversation for what is not said in it. Pure.

use ff_protocol::session::{Session, SessionStatus, TurnOutcome};

use crate::clean::{clean, clean_line};
use crate::output::{fields, wire_name};

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

/// How a session stands.
pub fn status_of(session: &Session) -> String {
    let last = session.last_turn.as_ref();
    fields(&[
        ("session", Some(session.id.to_string())),
        ("name", session.name.clone()),
        ("status", Some(wire_name(&session.status))),
        ("activity", Some(wire_name(&session.activity))),
        ("model", session.model.clone()),
        ("permissions", Some(wire_name(&session.permissions))),
        ("mode", Some(wire_name(&session.permission_mode))),
        (
            "waiting",
            (session.queued > 0).then(|| session.queued.to_string()),
        ),
        ("last turn", last.map(|turn| wire_name(&turn.outcome))),
        (
            "cost",
            session.total_cost_usd.map(|cost| format!("{cost:.4} USD")),
        ),
    ])
}
