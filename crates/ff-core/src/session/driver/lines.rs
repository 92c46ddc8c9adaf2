//! Lines of the CLI.

use std::sync::{Arc, PoisonError};

use ff_protocol::session::{Capabilities, EntryKind};
use serde_json::{Value, json};

use super::super::TESTED_CLI;
use super::super::ending::Ended;
use super::super::process::Cli;
use super::super::protocol::{
    self, ControlRequest, ControlRequestBody, ControlResponse, Incoming, Line, Message, System,
};
use super::super::transcript::is_conversation_id;
use super::{Driver, Ending};
use crate::error::Result;

impl Driver {
    pub(super) async fn line(&mut self, cli: &mut Cli, line: Line) -> Result<()> {
        self.timers.silence = None;
        let bytes = match line {
            Line::Text(bytes) => bytes,
            Line::Skipped { bytes } => {
                tracing::warn!(session = %self.session.id, bytes, "a line of the CLI is too long");
                return self.skipped(bytes, "longer than the limit").await;
            }
        };
        match protocol::parse(&bytes) {
            Ok(incoming) => self.incoming(cli, incoming).await,
            Err(_) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(()),
            Err(error) => {
                // Its content may be private, so only its place and length are told.
                let bytes = bytes.len() as u64;
                tracing::warn!(session = %self.session.id, bytes, %error, "a line of the CLI is no JSON");
                self.skipped(bytes, "not JSON").await
            }
        }
    }

    async fn skipped(&mut self, bytes: u64, why: &str) -> Result<()> {
        let entry = json!({ "type": "skipped", "bytes": bytes, "why": why });
        self.append(EntryKind::ClaudeMessage, entry).await
    }

    async fn incoming(&mut self, cli: &mut Cli, incoming: Incoming) -> Result<()> {
        let (turn_ran, heard) = (self.turn.is_running(), self.turn.is_heard());
        self.note_login(&incoming);
        let finished = self.turn.line(&incoming);
        let Incoming { message, raw } = incoming;
        match message {
            Message::StreamEvent(event) => {
                if let Some((kind, text)) = event.delta() {
                    let (feed, session) = (self.shared.store.feed(), &self.session);
                    let (id, text) = (session.id.clone(), text.to_owned());
                    feed.delta(&session.workspace_id, id, kind, text);
                }
            }
            Message::Assistant(_) | Message::User(_) => {
                self.append(EntryKind::ClaudeMessage, raw).await?;
            }
            Message::System(system) => {
                if let System::Init { session_id } = &system {
                    self.conversation(session_id);
                }
                if worth_keeping(&system) {
                    self.append(EntryKind::ClaudeMessage, raw).await?;
                }
            }
            Message::Result(_) => match finished {
                Some(finished) => return self.turn_over(finished, raw, heard).await,
                None if turn_ran => self.append(EntryKind::TurnEnded, raw).await?,
                None => {}
            },
            Message::ControlRequest(request) => self.asked(cli, request).await?,
            Message::ControlResponse(response) => self.answered(cli, &response),
            Message::ControlCancel { request_id } => self.request_cancelled(&request_id).await?,
            Message::ConversationReset {
                new_conversation_id,
            } => {
                self.conversation(&new_conversation_id);
            }
            Message::CommandLifecycle(_) => {}
            // Of a newer CLI: kept, and passed on.
            Message::Unknown => self.append(EntryKind::ClaudeMessage, raw).await?,
        }
        match finished {
            Some(finished) => self.turn_ended(Ended::cut(finished)).await,
            None => Ok(()),
        }
    }

    /// Enters the end of a turn, what follows from it and the row, all at once.
    pub(super) async fn turn_ended(&mut self, ended: Ended) -> Result<()> {
        let ours = ended.finished.prompt.is_some();
        let write = ended.settle(&mut self.session, &mut self.requests);
        if ours {
            (self.sent, self.lost) = (None, 0);
        }
        self.reckon();
        self.write_with_row(write).await.map(drop)
    }

    fn conversation(&mut self, id: &str) {
        if self.session.provider_session_id != id && is_conversation_id(id) {
            id.clone_into(&mut self.session.provider_session_id);
            self.unsaved = true;
        }
    }

    async fn asked(&mut self, cli: &Cli, request: ControlRequest) -> Result<()> {
        let ControlRequest {
            request_id,
            request,
        } = request;
        match request {
            ControlRequestBody::CanUseTool(tool) => self.tool_asked(cli, request_id, tool).await,
            ControlRequestBody::Other => {
                cli.send(&protocol::unsupported_request(&request_id));
                Ok(())
            }
        }
    }

    fn answered(&mut self, cli: &Cli, response: &ControlResponse) {
        let is_ready = self.starting.as_deref() == Some(response.request_id.as_str());
        match &response.error {
            None if is_ready => {
                self.starting = None;
                self.timers.ready = None;
                if self.queue.is_empty() {
                    drop(self.leave.give_back());
                }
                self.ready(&response.response);
            }
            Some(error) if is_ready => {
                tracing::warn!(session = %self.session.id, error, "the CLI refused to start");
                self.escalate(cli, Ending::Unready);
            }
            Some(error) => {
                tracing::warn!(session = %self.session.id, error, "the CLI refused a request");
            }
            None => {}
        }
        self.control_answered(response);
    }

    /// Notes what the CLI said of itself when it was ready.
    fn ready(&mut self, said: &Value) {
        let list = |name: &str| said[name].as_array().cloned().unwrap_or_default();
        let cli_version = said["claude_code_version"].as_str().map(str::to_owned);
        let warning = cli_version.as_deref().and_then(untested);
        if self.session.warning != warning {
            self.session.warning = warning;
            self.unsaved = true;
        }
        let offer = Arc::new(Capabilities {
            cli_version,
            commands: list("commands"),
            models: list("models"),
        });
        let mut offers = self
            .shared
            .offers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        offers.insert(self.session.workspace_id.clone(), offer);
    }
}

/// What to say of a CLI that is not the one all of this was tested with.
fn untested(version: &str) -> Option<String> {
    (version != TESTED_CLI).then(|| {
        format!("the Claude CLI here is {version}; this was tested with {TESTED_CLI}, so parts of it may not work")
    })
}

fn worth_keeping(system: &System) -> bool {
    matches!(
        system,
        System::ApiRetry
            | System::PermissionDenied
            | System::CompactBoundary
            | System::Informational
            | System::TaskStarted
            | System::TaskNotification
    )
}
