//! Changes of a session's settings.

use std::collections::BTreeSet;

use ff_protocol::ErrorCode;
use ff_protocol::session::{Configure, Session};
use tokio::time::Instant;

use super::super::process::Cli;
use super::super::protocol::{self, ControlResponse};
use super::{Driver, Reply};
use crate::error::{Error, Result};
use crate::store::Write;

/// Changes of one session that may wait for the CLI at once.
const AT_ONCE: usize = 16;

/// A change that waits for the CLI's answers.
#[derive(Debug)]
pub(super) struct Configuring {
    change: Configure,
    reply: Reply<Session>,
    /// Ids of our requests that are not answered.
    waiting: BTreeSet<String>,
    /// What the CLI did not take.
    refused: Option<String>,
    until: Instant,
}

impl Driver {
    /// Changes the row alone; the CLI gets it when it starts.
    pub(super) async fn configure_row(&mut self, change: &Configure) -> Result<()> {
        self.check_open()?;
        apply(&mut self.session, change);
        self.write_with_row(Write::default()).await.map(drop)
    }

    /// Asks the CLI first: what it does not take is not written down.
    pub(super) async fn configure(&mut self, cli: &Cli, change: Configure, reply: Reply<Session>) {
        let full = self.configuring.len() >= AT_ONCE;
        let open = self.check_open().and_then(|()| match full {
            true => Err(Error::refused(
                ErrorCode::LimitReached,
                "too many changes at once",
            )),
            false => Ok(()),
        });
        if let Err(error) = open {
            drop(reply.send(Err(error)));
            return;
        }
        let mut waiting = BTreeSet::new();
        let mut ask = |message: &dyn Fn(&str) -> serde_json::Value| {
            let id = uuid::Uuid::new_v4().to_string();
            cli.send(&message(&id));
            waiting.insert(id);
        };
        if let Some(model) = &change.model {
            ask(&|id| protocol::set_model(id, model));
        }
        if let Some(mode) = change.permission_mode {
            ask(&|id| protocol::set_permission_mode(id, mode));
        }
        if let Some(tokens) = change.thinking_tokens {
            ask(&|id| protocol::set_thinking_tokens(id, tokens));
        }
        self.configuring.push(Configuring {
            change,
            reply,
            waiting,
            refused: None,
            until: Instant::now() + self.shared.limits.control,
        });
        self.configured().await;
    }

    /// The CLI answered a request that may be one of these.
    pub(super) fn control_answered(&mut self, response: &ControlResponse) {
        for one in &mut self.configuring {
            if one.waiting.remove(&response.request_id) {
                one.refused = one.refused.take().or_else(|| response.error.clone());
            }
        }
    }

    /// Writes down and answers what the CLI has taken.
    pub(super) async fn configured(&mut self) {
        let done = |one: &mut Configuring| one.waiting.is_empty();
        let done: Vec<_> = self.configuring.extract_if(.., done).collect();
        for one in done {
            let answer =
                match one.refused {
                    Some(said) => Err(Error::refused(ErrorCode::Invalid, said)
                        .hint("the Claude CLI did not take it")),
                    None => self.configured_row(&one.change).await,
                };
            let _ = one.reply.send(answer);
        }
    }

    async fn configured_row(&mut self, change: &Configure) -> Result<Session> {
        apply(&mut self.session, change);
        self.write_with_row(Write::default()).await?;
        Ok(self.session.clone())
    }

    /// When the first change is overdue.
    pub(super) fn configuring_until(&self) -> Option<Instant> {
        self.configuring.iter().map(|one| one.until).min()
    }

    /// The CLI did not answer in time.
    pub(super) fn configuring_overdue(&mut self) {
        let now = Instant::now();
        for one in self.configuring.extract_if(.., |one| one.until <= now) {
            let error = Error::refused(ErrorCode::Timeout, "the Claude CLI did not answer in time")
                .hint("try again, or stop the session and change it then");
            let _ = one.reply.send(Err(error));
        }
    }

    /// The process is gone: the next one starts with what was asked for.
    pub(super) fn configured_by_end(&mut self) {
        for one in std::mem::take(&mut self.configuring) {
            apply(&mut self.session, &one.change);
            self.accepted.push(one.reply);
        }
    }
}

fn apply(session: &mut Session, change: &Configure) {
    let Configure {
        name,
        model,
        permissions,
        permission_mode,
        thinking_tokens,
    } = change.clone();
    session.name = name.or(session.name.take());
    session.model = model
        .or(session.model.take())
        .filter(|model| model != "default");
    session.permissions = permissions.unwrap_or(session.permissions);
    session.permission_mode = permission_mode.unwrap_or(session.permission_mode);
    session.thinking_tokens = thinking_tokens.or(session.thinking_tokens);
}
