//! What a session waits for, and the command that lets it go on.

use ff_protocol::session::{Activity, Session, Stopped};
use serde::Serialize;

use super::host::Host;
use crate::clean::{clean_line, cut};
use crate::failure::{Exit, Failure};
use crate::output::{fields, wire_name};
use crate::view::session_status;

/// What the user can do about a session that does not go on by itself.
pub fn what_for(host: &Host<'_>, session: &Session) -> Option<String> {
    let (workspace, id) = (&session.workspace_id, &session.id);
    if let Some(required) = &session.login_required {
        let reason = clean_line(&required.reason);
        return Some(format!("a login ({reason}): {}", host.to_log_in()));
    }
    let queued = session.queued;
    let resume = format!("`ff session resume {workspace} {id}`");
    match session.activity {
        Activity::WaitingForUser => Some(format!(
            "an answer: `ff session show {workspace} {id}` shows to what"
        )),
        _ if queued > 0 && session.held => Some(format!(
            "you: {queued} message(s) go on with your next one, or with {resume}"
        )),
        Activity::Idle if queued > 0 => Some(format!(
            "somebody to run it: {queued} message(s) go on with {resume}{}",
            match host.is_here() {
                true => ", or under `ff serve`",
                false => "",
            }
        )),
        Activity::Idle | Activity::Working => None,
    }
}

/// The error of a command that is not to wait for a login.
pub fn for_login(host: &Host<'_>, session: &Session) -> Option<Failure> {
    let required = session.login_required.as_ref()?;
    let reason = clean_line(&required.reason);
    let text = format!("the session waits for a login ({reason}); its message is kept");
    let (workspace, id) = (&session.workspace_id, &session.id);
    let failure = Failure::new(Exit::Waiting, text);
    Some(match host.is_here() {
        true => failure
            .hint(format!("{}, then let it go on", host.to_log_in()))
            .next(format!("ff session resume {workspace} {id}")),
        false => failure
            .hint(format!("{}; it goes on by itself then", host.to_log_in()))
            .next(format!("ff session show {workspace} {id}")),
    })
}

/// A session, and what it waits for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// What it waits for, and the command that lets it go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

impl Standing {
    /// How a session of this side stands.
    pub fn of(host: &Host<'_>, session: Session) -> Self {
        Self {
            waits_for: what_for(host, &session),
            session,
        }
    }

    /// The same in a few lines.
    pub fn text(&self) -> String {
        fields(&[
            ("session", Some(self.session.id.to_string())),
            ("status", Some(session_status(&self.session))),
            ("activity", Some(wire_name(&self.session.activity))),
            ("waits for", self.waits_for.clone()),
        ])
    }
}

/// How a session stands after it was stopped, and the messages that took back.
pub fn after_stop(host: &Host<'_>, stopped: &Stopped) -> String {
    let mut lines = vec![Standing::of(host, stopped.session.clone()).text()];
    lines.extend(taken_back(stopped));
    lines.join("\n")
}

/// The messages that a stop took back, if it did.
pub fn taken_back(stopped: &Stopped) -> Vec<String> {
    let messages = &stopped.taken_back;
    if messages.is_empty() {
        return Vec::new();
    }
    let first = format!("taken back: {} message(s), not sent", messages.len());
    let texts = messages
        .iter()
        .map(|it| cut(&format!("  {}", clean_line(&it.text))));
    std::iter::once(first).chain(texts).collect()
}
