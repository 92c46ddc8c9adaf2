//! Watching a session until its turn ends.

mod events;
mod local;
mod look;
mod render;
mod request;
mod tools;

use std::time::Instant;

use ff_protocol::session::{
    Activity, LastTurn, Session, SessionDetail, SessionStatus, TurnOutcome,
};
use ff_protocol::{SessionId, Timestamp};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::Known;
use crate::output;
use crate::progress::seconds;
use crate::session::host::Host;
use crate::session::waits;
use crate::stop;

pub use events::{Events, Happening};
pub use look::Look;
pub use render::Render;
pub use request::{Dialog, Request};
pub use tools::tool_lines;

/// A session as it was before its turn began.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Its last turn.
    pub last_turn: Option<LastTurn>,
    /// Its last entry in the journal.
    pub seq: u64,
    /// When its CLI had failed, if it had.
    pub failed_at: Option<Timestamp>,
}

impl Before {
    /// The state of a session that has been there before.
    pub fn of(detail: &SessionDetail) -> Self {
        let seq = detail.messages.last().map_or(0, |entry| entry.seq);
        Self::now(&detail.session, seq)
    }

    /// The state of a session, at this entry of the journal.
    pub fn now(session: &Session, seq: u64) -> Self {
        Self {
            last_turn: session.last_turn.clone(),
            seq,
            failed_at: failed_at(session),
        }
    }
}

/// Shows what a session does from now on, until its turn ends. `events` must have been opened
/// before the turn began, after the entry in `before`.
///
/// # Errors
/// The turn did not complete, it waits for an answer that nobody here can give, or the side
/// that runs it cannot be reached.
pub async fn until_end(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    mut events: Events,
    session: &Session,
    before: Before,
) -> anyhow::Result<Session> {
    let began = Instant::now();
    let mut render = Render::new(session.id.clone(), before.seq, Look::default());
    let mut latest = session.clone();
    let mut told_to_stop = false;
    let asks = output::interactive() && !context.out.is_json();
    while !has_ended(&latest, &before) {
        // Whoever sits there can log in meanwhile.
        if let Some(failure) = waits::for_login(host, &latest).filter(|_| !asks) {
            return Err(failure.into());
        }
        let happenings = tokio::select! {
            happenings = events.next() => happenings?,
            () = context.stop().cancelled(), if !told_to_stop => {
                told_to_stop = true;
                leave(context, known, host, &session.id).await?;
                continue;
            }
        };
        for happening in happenings {
            if let Happening::Status(session) = &happening
                && session.id == latest.id
            {
                latest = (**session).clone();
            }
            if matches!(happening, Happening::Asleep) {
                return Err(events::asleep().into());
            }
            let shown = render.show(&happening);
            context.out.piece(&shown.text)?;
            for line in &shown.lines {
                context.out.say(line);
            }
            if let Some(request) = shown.request {
                answer(context, known, host, &session.id, &request).await?;
            }
        }
    }
    context.out.piece(render.end())?;
    let time = seconds(began.elapsed());
    match &latest.last_turn {
        Some(turn) => context.out.say(format!(
            "turn {} ({time})",
            output::wire_name(&turn.outcome)
        )),
        None => context.out.say(format!("no turn ({time})")),
    }
    Ok(latest)
}

/// Whether the turn that began after `before` is over.
pub fn has_ended(session: &Session, before: &Before) -> bool {
    let turned = session.last_turn.is_some() && session.last_turn != before.last_turn;
    match session.status {
        SessionStatus::Failed => failed_at(session) != before.failed_at,
        _ => turned && session.activity == Activity::Idle,
    }
}

fn failed_at(session: &Session) -> Option<Timestamp> {
    (session.status == SessionStatus::Failed).then_some(session.updated_at)
}

/// The error of a session whose turn did not complete.
///
/// # Errors
/// The turn failed or was interrupted, or the CLI did.
pub fn verdict(known: &Known, session: &Session) -> Result<(), Failure> {
    let show = format!("ff session show {} {}", known.id, session.id);
    let failed = |text: String| Err(Failure::new(Exit::Failed, text).next(&show));
    if session.status == SessionStatus::Failed {
        let why = session.error.as_deref().unwrap_or("no reason is known");
        return failed(format!("the session failed: {why}"));
    }
    let Some(turn) = &session.last_turn else {
        return Ok(());
    };
    let why = turn
        .reason
        .as_deref()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    match turn.outcome {
        TurnOutcome::Completed => Ok(()),
        TurnOutcome::Interrupted => {
            Err(Failure::new(Exit::Interrupted, "the turn was interrupted").next(show))
        }
        TurnOutcome::Failed => failed(format!("the turn failed{why}")),
        TurnOutcome::TimedOut => failed(format!("the turn took too long{why}")),
    }
}

/// The user wants to leave: a turn here ends with us, one in the cloud goes on.
async fn leave(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    session: &SessionId,
) -> anyhow::Result<()> {
    if host.is_here() {
        context
            .out
            .say("interrupting the turn; Ctrl-C again leaves at once");
        host.interrupt(&known.id, session).await?;
        return Ok(());
    }
    Err(stop::interrupted()
        .hint(host.afterwards())
        .next(format!("ff session show {} {session}", known.id))
        .into())
}

/// Puts a request to the user, or decides where nobody can be asked.
async fn answer(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    session: &SessionId,
    request: &Request,
) -> anyhow::Result<()> {
    for line in request.lines() {
        context.out.say(line);
    }
    let answer = if output::interactive() && !context.out.is_json() {
        request.ask(context).await?
    } else if host.is_here() {
        context
            .out
            .say("refused, because nobody is at a terminal to answer");
        request.refusal("nobody is there to answer; go on without it")
    } else {
        let command = format!(
            "ff session answer {} {session} {} --allow",
            known.id, request.id
        );
        return Err(
            Failure::new(Exit::Waiting, "the session waits for an answer")
                .next(command)
                .into(),
        );
    };
    host.answer(&known.id, session, answer).await
}

#[cfg(test)]
mod tests;
