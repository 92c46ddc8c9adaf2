//! Lines of the CLI.

use ff_protocol::session::{EntryKind, LastTurn};
use serde_json::{Value, json};

use super::super::events::Event;
use super::super::permission::allowed_by;
use super::super::process::Cli;
use super::super::protocol::{
    self, ControlRequest, ControlRequestBody, ControlResponse, Decision, Incoming, Line, Message,
    System, ToolUse,
};
use super::super::transcript::is_conversation_id;
use super::super::turn::Finished;
use super::{Driver, Ending};
use crate::clock;
use crate::error::Result;

impl Driver {
    pub(super) async fn line(&mut self, cli: &mut Cli, line: Line) -> Result<()> {
        let bytes = match line {
            Line::Text(bytes) => bytes,
            Line::Skipped { bytes } => {
                tracing::warn!(session = %self.session.id, bytes, "a line of the CLI is too long");
                let entry = json!({ "type": "skipped", "bytes": bytes });
                return self.append(EntryKind::ClaudeMessage, entry).await;
            }
        };
        match protocol::parse(&bytes) {
            Ok(incoming) => self.incoming(cli, incoming).await,
            Err(error) => {
                // Its content may be private, so only its place and length are told.
                tracing::warn!(session = %self.session.id, bytes = bytes.len(), %error, "a line of the CLI is no JSON");
                Ok(())
            }
        }
    }

    async fn incoming(&mut self, cli: &mut Cli, incoming: Incoming) -> Result<()> {
        let turn_ran = self.turn.is_running();
        let finished = self.turn.line(&incoming);
        let Incoming { message, raw } = incoming;
        match message {
            Message::StreamEvent(event) => {
                if let Some(text) = event.text_delta() {
                    let (session_id, text) = (self.session.id.clone(), text.to_owned());
                    self.tell(Event::Delta { session_id, text });
                }
            }
            Message::Assistant(_) | Message::User => {
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
            Message::Result(_) if turn_ran => self.append(EntryKind::TurnEnded, raw).await?,
            Message::ControlRequest(request) => self.asked(cli, request).await?,
            Message::ControlResponse(response) => self.answered(cli, &response),
            Message::ControlCancel { request_id } => {
                if let Some(id) = self.requests.cancel(&request_id) {
                    let entry = json!({ "requestId": id, "outcome": "cancelled" });
                    self.append(EntryKind::Answer, entry).await?;
                }
            }
            Message::ConversationReset {
                new_conversation_id,
            } => {
                self.conversation(&new_conversation_id);
            }
            Message::Result(_) | Message::CommandLifecycle(_) | Message::Unknown => {}
        }
        if let Some(finished) = finished {
            self.turn_finished(finished);
        }
        Ok(())
    }

    pub(super) fn turn_finished(&mut self, finished: Finished) {
        let Finished {
            outcome,
            reason,
            result,
        } = finished;
        self.session.last_turn = Some(LastTurn {
            outcome,
            reason,
            result,
            ended_at: clock::now(),
        });
        self.unsaved = true;
    }

    /// Enters the end of a turn that no `result` of the CLI told.
    pub(super) async fn turn_cut(&mut self, finished: Finished) -> Result<()> {
        let entry = cut_entry(&finished);
        self.turn_finished(finished);
        self.append(EntryKind::TurnEnded, entry).await
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

    async fn tool_asked(&mut self, cli: &Cli, cli_id: String, tool: ToolUse) -> Result<()> {
        if allowed_by(self.session.permissions, &tool) {
            cli.send(&protocol::decision(
                &cli_id,
                &Decision::Allow { input: tool.input },
            ));
            return Ok(());
        }
        let entry = self.requests.open(cli_id, tool);
        self.append(EntryKind::Request, entry).await
    }

    fn answered(&mut self, cli: &Cli, response: &ControlResponse) {
        let is_ready = self.starting.as_deref() == Some(response.request_id.as_str());
        match &response.error {
            None if is_ready => {
                self.starting = None;
                self.timers.ready = None;
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
    }
}

/// The journal entry for a turn that ended without the CLI's word.
pub(in crate::session) fn cut_entry(finished: &Finished) -> Value {
    json!({
        "type": "result",
        "subtype": "cut",
        "is_error": true,
        "outcome": finished.outcome,
        "errors": [finished.reason],
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
