//! What starting a session and sending it a prompt have in common.

use ff_protocol::session::{Session, StartSession};

use crate::cli::Stay;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::Known;
use crate::output::fields;
use crate::session::host::Host;
use crate::session::{follow, waits};
use crate::stop;
use crate::tty::input;

/// Longest prompt taken from stdin, in bytes.
const LONGEST: usize = 1 << 20;

/// The prompt: as given, or all of stdin for `-`.
///
/// # Errors
/// It is empty or too long.
pub async fn text(context: &Context, given: &str) -> anyhow::Result<String> {
    let text = if given == "-" {
        stop::unless(context.stop(), from_stdin()).await?
    } else {
        given.to_owned()
    };
    if text.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the prompt is empty")
            .next("ff session start WORKSPACE --prompt TEXT")
            .into());
    }
    Ok(text)
}

async fn from_stdin() -> anyhow::Result<String> {
    let all = input::all(LONGEST).await.ok_or_else(|| {
        let text = format!("the prompt is longer than {LONGEST} bytes");
        Failure::new(Exit::Usage, text)
            .hint("put it into a file of the workspace, and name the file in the prompt")
    })?;
    let not_text = |_| Failure::new(Exit::Usage, "the prompt on stdin is not UTF-8 text");
    Ok(String::from_utf8(all).map_err(not_text)?)
}

/// Refuses `--detach` where the session would end with us.
///
/// # Errors
/// The workspace is on this machine and `--detach` was asked for.
pub fn check_stay(host: &Host<'_>, stay: &Stay) -> Result<(), Failure> {
    if host.is_here() && stay.detach {
        return Err(Failure::new(
            Exit::Refused,
            "a session on this machine runs inside this command, so it cannot detach",
        )
        .hint("run `ff serve`, send the workspace to the cloud with `ff send`, or leave `--detach` out"));
    }
    Ok(())
}

/// Starts a session, and shows its first turn if it has one.
///
/// # Errors
/// It cannot be started, or its turn did not complete.
pub async fn begin(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    start: StartSession,
    stay: &Stay,
) -> anyhow::Result<()> {
    if stay.detach || start.prompt.is_none() {
        let session = host.start(&known.id, start).await?;
        return context.out.result(&session, || {
            fields(&[
                ("session", Some(session.id.to_string())),
                ("waits for", waits::what_for(host, &session)),
                (
                    "next",
                    Some(format!("ff session show {} {}", known.id, session.id)),
                ),
            ])
        });
    }
    let begin = async {
        let events = host.events(&known.id, None).await?;
        Ok((events, host.start(&known.id, start).await?))
    };
    let (events, session) = stop::unless(context.stop(), begin).await?;
    context.out.say(format!("session {}", session.id));
    let before = follow::Before::default();
    let last = follow::until_end(context, known, host, events, &session, before).await?;
    conclude(context, known, host, &last).await
}

/// Prints the session as the result (for `--json`) and turns a turn that did not complete into
/// an error.
///
/// # Errors
/// The turn did not complete, or the session cannot be read.
pub async fn conclude(
    context: &Context,
    known: &Known,
    host: &Host<'_>,
    last: &Session,
) -> anyhow::Result<()> {
    if context.out.is_json() {
        let detail = host.session(&known.id, &last.id).await?;
        context.out.result(&detail, String::new)?;
    }
    Ok(follow::verdict(known, last)?)
}
