//! A conversation at the terminal, or by a pipe, with a session wherever it runs.

pub mod errands;
mod local;
mod screen;
mod talk;
mod words;

use ff_protocol::session::Session;
use tokio::sync::mpsc;

use crate::clean::clean_line;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::Known;
use crate::output::{in_colour, interactive};
use crate::session::follow::{Events, Happening, Look, Render, Request};
use crate::session::history::History;
use crate::session::host::Host;
use crate::session::waits;
use crate::stop;
use crate::tty::lines::{Lines, MOST_LEFT};
use errands::Runner;
use talk::{Line, Talk};

/// Happenings, errands and their outcomes that wait.
const WAITING: usize = 64;

/// What is done with requests of the CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are put to the user.
    Ask,
    /// Tools may run and plans be carried out.
    Allow,
    /// They are refused.
    Refuse,
}

/// Talks with a session until the user leaves, or what they had to say is over.
///
/// # Errors
/// The side that holds it is gone for good; without a terminal also a turn that did not complete.
pub async fn run(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    history: History,
    allow: bool,
) -> anyhow::Result<()> {
    let by_hand = interactive() && !context.out.is_json();
    let policy = match (by_hand, allow) {
        (true, _) => Policy::Ask,
        (false, true) => Policy::Allow,
        (false, false) => Policy::Refuse,
    };
    let seq = history.seq;
    let id = history.session.id.clone();
    if by_hand {
        greet(context, host, &history);
    }
    let opening = async {
        let events = host.events(&known.id, Some(seq)).await?;
        Ok((events, host.requests(&known.id, &id).await?))
    };
    let (events, waiting) = stop::unless(context.stop(), opening).await?;
    let (errands_in, errands) = mpsc::channel(WAITING);
    let (outcomes_in, outcomes) = mpsc::channel(WAITING);
    let (happenings_in, happenings) = mpsc::channel(WAITING);
    let runner = Runner {
        host,
        voice: events.voice(),
        workspace: &known.id,
        session: id.clone(),
    };
    let look = Look {
        colour: by_hand && in_colour(),
        detail: by_hand,
    };
    let render = Render::new(id.clone(), seq, look);
    let session = history.session;
    let mut talk = Talk::new(context, known, host, session, render, policy, errands_in);
    for request in &waiting {
        talk.asked(Request::waiting(request))?;
    }
    let line = Line {
        happenings,
        outcomes,
        interrupts: context.interrupts().take(),
    };
    let mut lines = Lines::default();
    let ended = tokio::select! {
        ended = talk.go_on(line, &mut lines) => ended,
        () = pump(events, happenings_in) => Ok(()),
        () = runner.run(errands, outcomes_in) => Ok(()),
    };
    if ended.is_err() && !by_hand {
        tell_left(context, &mut lines).await;
    }
    ended?;
    if by_hand {
        context.out.say(host.afterwards());
    }
    Ok(())
}

/// Says where the user is, and what was said last.
fn greet(context: &Context, host: &Host<'_>, history: &History) {
    let Session {
        id, name, warning, ..
    } = &history.session;
    let name = name.as_deref().map(|name| format!(" {}", clean_line(name)));
    let name = name.unwrap_or_default();
    let mut lines = vec![format!("session{name} {id}; /help lists what can be said")];
    if host.is_here() {
        lines.push("it ends with this command; `ff serve` would keep it".into());
    }
    lines.extend(warning.as_deref().map(words::warning));
    lines.extend(history.last_exchange());
    let waits = waits::what_for(host, &history.session);
    lines.extend(waits.map(|what| format!("the session waits for {what}")));
    for line in lines {
        context.out.say(line);
    }
}

/// Tells of lines that nobody hears any more.
async fn tell_left(context: &Context, lines: &mut Lines) {
    let left = lines.left().await;
    let more = if left == MOST_LEFT { " or more" } else { "" };
    if left > 0 {
        let note = format!("note: {left}{more} line(s) that came after it were not sent");
        context.out.say(note);
    }
}

/// Passes on what happens. Its end is passed on too; never returns.
async fn pump(mut events: Events, happenings: mpsc::Sender<anyhow::Result<Vec<Happening>>>) {
    loop {
        let next = events.next().await;
        let over = next.is_err();
        if happenings.send(next).await.is_err() || over {
            break;
        }
    }
    std::future::pending().await
}

/// The error of a conversation that nothing moves any more.
fn over() -> Failure {
    Failure::new(Exit::Failed, "the conversation is over")
}
