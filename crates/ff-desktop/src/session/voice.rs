//! Saying something to a session, wherever it runs.

use ff_client::socket::WorkspaceSender;
use ff_core::session::Sessions;
use ff_protocol::WorkspaceId;
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
            Self::Here(sessions, workspace) => Ok(sessions.say(workspace, frame).await?),
        }
    }
}
