//! Saying something to a session, wherever it runs.

use ff_client::socket::WorkspaceSender;
use ff_core::session::Sessions;
use ff_protocol::WorkspaceId;
use ff_protocol::session::{Answer, Prompt};
use ff_protocol::socket::ClientFrame;

/// The way to the sessions of a workspace.
pub enum Voice {
    /// They run in this process.
    Here(Sessions, WorkspaceId),
    /// By the workspace's socket.
    Engine(WorkspaceSender),
}

impl Voice {
    /// Says it, and returns when it has taken effect: once, however often the connection breaks
    /// meanwhile.
    ///
    /// # Errors
    /// The session refuses it, or is out of reach.
    pub async fn say(&self, frame: ClientFrame) -> anyhow::Result<()> {
        match self {
            Self::Engine(sender) => Ok(sender.send(frame).await?),
            Self::Here(sessions, workspace) => here(sessions, workspace, frame).await,
        }
    }
}

async fn here(
    sessions: &Sessions,
    workspace: &WorkspaceId,
    frame: ClientFrame,
) -> anyhow::Result<()> {
    match frame {
        ClientFrame::UserMessage {
            id,
            session_id,
            text,
        } => {
            let prompt = Prompt { text, id: Some(id) };
            sessions.prompt(workspace, &session_id, prompt).await?;
        }
        ClientFrame::QuestionResponse {
            id,
            session_id,
            request_id,
            answers,
            by,
        } => {
            let answer = Answer {
                request_id,
                allow: answers.is_some(),
                message: None,
                answers,
                id: Some(id),
                by,
            };
            sessions.answer(workspace, &session_id, answer).await?;
        }
        ClientFrame::PermissionResponse {
            id,
            session_id,
            request_id,
            allow,
            message,
            by,
        } => {
            let answer = Answer {
                request_id,
                allow,
                message,
                answers: None,
                id: Some(id),
                by,
            };
            sessions.answer(workspace, &session_id, answer).await?;
        }
        ClientFrame::Interrupt { id, session_id } => {
            sessions
                .interrupt(workspace, &session_id, Some(&id))
                .await?;
        }
    }
    Ok(())
}
