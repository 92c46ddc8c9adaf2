//! What a conversation asks of the side that holds it, one after the other.

use ff_protocol::session::{Capabilities, Configure, Session, UserRequest};
use ff_protocol::socket::ClientFrame;
use ff_protocol::{SessionId, WorkspaceId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::local::COMMANDS;
use crate::clean::{clean_line, cut};
use crate::session::host::Host;
use crate::session::voice::Voice;
use crate::session::waits;

/// Something to be done.
#[derive(Debug)]
pub enum Errand {
    /// Say this.
    Say(ClientFrame),
    /// Change the session; the words tell it when it is done.
    Configure(Configure, String),
    /// Let messages that were held go on.
    Resume,
    /// End the session's process.
    Stop,
    /// Ask what waits for an answer.
    Requests,
    /// List the commands there are.
    Help,
    /// List the models there are.
    Models,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// For the user.
    pub lines: Vec<String>,
    /// As it is now.
    pub session: Option<Session>,
    /// What waits for an answer, where that was asked.
    pub requests: Vec<UserRequest>,
}

/// Who runs errands for one session.
pub struct Runner<'a> {
    /// The side that holds it.
    pub host: &'a Host<'a>,
    /// The way to speak to it.
    pub voice: Voice,
    /// Its workspace.
    pub workspace: &'a WorkspaceId,
    /// The session.
    pub session: SessionId,
}

impl Runner<'_> {
    /// Runs errands as they come, and tells what came of each. Never returns.
    pub async fn run(
        self,
        mut errands: mpsc::Receiver<Errand>,
        outcomes: mpsc::Sender<anyhow::Result<Done>>,
    ) {
        while let Some(errand) = errands.recv().await {
            if outcomes.send(self.do_one(errand).await).await.is_err() {
                break;
            }
        }
        std::future::pending().await
    }

    async fn do_one(&self, errand: Errand) -> anyhow::Result<Done> {
        let (host, workspace, session) = (self.host, self.workspace, &self.session);
        Ok(match errand {
            Errand::Say(frame) => {
                self.voice.say(frame).await?;
                Done::default()
            }
            Errand::Configure(change, words) => {
                changed(host.configure(workspace, session, change).await?, words)
            }
            Errand::Resume => changed(host.resume(workspace, session).await?, "resumed".into()),
            Errand::Stop => {
                let stopped = host.stop(workspace, session).await?;
                let mut lines = vec!["the session's process has ended".to_owned()];
                lines.extend(waits::taken_back(&stopped));
                Done {
                    lines,
                    session: Some(stopped.session),
                    ..Done::default()
                }
            }
            Errand::Requests => Done {
                requests: host.requests(workspace, session).await?,
                ..Done::default()
            },
            // Before a CLI has run, ours are all there are.
            Errand::Help => {
                let offered = host.capabilities(workspace, session).await;
                told(help(&offered.unwrap_or_default()))
            }
            Errand::Models => told(models(&host.capabilities(workspace, session).await?)),
        })
    }
}

fn changed(session: Session, words: String) -> Done {
    Done {
        lines: vec![words],
        session: Some(session),
        ..Done::default()
    }
}

fn told(lines: Vec<String>) -> Done {
    Done {
        lines,
        ..Done::default()
    }
}

fn help(offered: &Capabilities) -> Vec<String> {
    let ours = COMMANDS.iter();
    let mut lines: Vec<String> = ours
        .map(|(name, what)| format!("  {name:<20} {what}"))
        .collect();
    let theirs = offered.commands.iter().filter_map(|command| {
        let name = word(command, "name")?;
        let what = word(command, "description").unwrap_or_default();
        Some(cut(&format!("  {:<20} {what}", format!("/{name}"))))
    });
    let theirs: Vec<String> = theirs.collect();
    if !theirs.is_empty() {
        lines.push("of the Claude CLI:".into());
        lines.extend(theirs);
    }
    lines
}

fn models(offered: &Capabilities) -> Vec<String> {
    if offered.models.is_empty() {
        return vec!["the models are known once the session's process has run".into()];
    }
    let line = |model: &Value| {
        let value = word(model, "value")?;
        let name = word(model, "displayName").unwrap_or_default();
        Some(format!("  {value:<20} {name}"))
    };
    offered.models.iter().filter_map(line).collect()
}

fn word(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(clean_line)
}
