//! What happens in a workspace, from either side in the same words.

use ff_client::socket::{WorkspaceEvent, WorkspaceSocket};
use ff_client::{ClientError, EngineClient};
use ff_core::Core;
use ff_protocol::session::{JournalEntry, Session};
use ff_protocol::socket::{DeltaKind, WorkspaceFrame};
use ff_protocol::{SessionId, WorkspaceId, close};

use super::local::Local;
use crate::failure::{Exit, Failure};
use crate::serving;
use crate::session::host::Place;
use crate::session::voice::Voice;

/// A journal up to here is followed from its beginning.
const SHORT: u64 = 200;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Happening {
    /// The journal has a new entry.
    Entry(Box<JournalEntry>),
    /// A piece of a message still being written.
    Delta(SessionId, DeltaKind, String),
    /// A session is now like this.
    Status(Box<Session>),
    /// The workspace is no longer as it was.
    Changed,
    /// What follows was caught up with: the next piece of a message begins with all that was
    /// written of it so far.
    CaughtUp,
    /// The VM went to sleep; what is said next wakes it.
    Asleep,
    /// Something to tell the user.
    Note(String),
}

impl Happening {
    /// The frame of a workspace's socket that says the same, if one does.
    pub fn frame(&self, workspace: &WorkspaceId) -> Option<WorkspaceFrame> {
        Some(match self {
            Self::Entry(entry) => WorkspaceFrame::of_entry((**entry).clone()),
            Self::Delta(session_id, kind, text) => WorkspaceFrame::Delta {
                session_id: session_id.clone(),
                kind: *kind,
                text: text.clone(),
            },
            Self::Status(session) => WorkspaceFrame::Status {
                session: session.clone(),
            },
            Self::Changed => WorkspaceFrame::WorkspaceChanged {
                workspace_id: workspace.clone(),
            },
            Self::CaughtUp | Self::Asleep | Self::Note(_) => return None,
        })
    }
}

/// Where happenings come from.
pub enum Events {
    /// The core in this process.
    Here(Local),
    /// A workspace's socket.
    Engine(WorkspaceSocket, Place),
}

impl Events {
    /// Events of the core in this process, after this entry of the journal or from now on.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn here(
        core: Core,
        workspace: WorkspaceId,
        after: Option<u64>,
    ) -> anyhow::Result<Self> {
        Ok(Self::Here(Local::begin(core, workspace, after).await?))
    }

    /// Events of an engine, after this entry of the journal or from its beginning.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn of_engine(
        engine: &EngineClient,
        workspace: &WorkspaceId,
        after: Option<u64>,
        place: Place,
    ) -> anyhow::Result<Self> {
        Ok(Self::Engine(follow(engine, workspace, after).await?, place))
    }

    /// The way to say something to the workspace's sessions, beside reading on.
    pub fn voice(&self) -> Voice {
        match self {
            Self::Here(local) => local.voice(),
            Self::Engine(socket, _) => Voice::Engine(socket.sender()),
        }
    }

    /// What happens next; in order, nothing left out.
    ///
    /// # Errors
    /// The source is gone for good.
    pub async fn next(&mut self) -> anyhow::Result<Vec<Happening>> {
        let (socket, place) = match self {
            Self::Here(local) => return local.next().await,
            Self::Engine(socket, place) => (socket, place),
        };
        match socket.next().await {
            Some(Ok(WorkspaceEvent::Frame(frame))) => Ok(of_frame(*frame)),
            Some(Ok(WorkspaceEvent::Suspended)) => Ok(vec![Happening::Asleep]),
            Some(Ok(WorkspaceEvent::Reconnecting(why))) => {
                // One that comes back has another address and another token.
                if let Place::Serve(data_dir) = place
                    && !serving::is_on(data_dir)?
                {
                    return Err(Failure::new(Exit::Refused, "`ff serve` has ended").into());
                }
                Ok(vec![Happening::Note(format!("reconnecting: {why}"))])
            }
            Some(Err(ClientError::Closed { code, .. })) if code == close::MOVED => Err(moved()),
            Some(Err(error)) => Err(error.into()),
            None => Err(
                Failure::new(Exit::Unreachable, "the engine closed the connection")
                    .next("ff cloud status")
                    .into(),
            ),
        }
    }
}

/// Follows a workspace without what came before, where that is much.
async fn follow(
    engine: &EngineClient,
    workspace: &WorkspaceId,
    after: Option<u64>,
) -> anyhow::Result<WorkspaceSocket> {
    let mut socket = engine.follow(workspace, None).await?;
    let Some(seq) = after.filter(|seq| *seq > SHORT) else {
        return Ok(socket);
    };
    // Only its first frame tells which journal it is.
    if let Some(Ok(WorkspaceEvent::Frame(frame))) = socket.next().await
        && let WorkspaceFrame::MessagesSnapshot { journal, .. } = *frame
    {
        return Ok(engine.follow(workspace, Some((journal, seq))).await?);
    }
    Ok(engine.follow(workspace, None).await?)
}

fn moved() -> anyhow::Error {
    Failure::new(Exit::Refused, "the workspace has moved to its other side")
        .hint("the same command goes on with it there")
        .next("ff workspace list")
        .into()
}

/// The error of a command that does not wait until a VM wakes.
pub fn asleep() -> Failure {
    Failure::new(Exit::Refused, "the VM went to sleep").next("ff cloud status")
}

fn of_frame(frame: WorkspaceFrame) -> Vec<Happening> {
    match frame {
        WorkspaceFrame::MessagesSnapshot {
            messages, sessions, ..
        } => {
            let messages = messages.into_iter().map(|e| Happening::Entry(Box::new(e)));
            let sessions = sessions.into_iter().map(|s| Happening::Status(Box::new(s)));
            let caught_up = std::iter::once(Happening::CaughtUp);
            caught_up.chain(messages).chain(sessions).collect()
        }
        WorkspaceFrame::ClaudeMessage { entry }
        | WorkspaceFrame::UserQuestion { entry }
        | WorkspaceFrame::PermissionRequest { entry } => vec![Happening::Entry(Box::new(entry))],
        WorkspaceFrame::Delta {
            session_id,
            kind,
            text,
        } => vec![Happening::Delta(session_id, kind, text)],
        WorkspaceFrame::Status { session } => vec![Happening::Status(session)],
        WorkspaceFrame::WorkspaceChanged { .. } => vec![Happening::Changed],
        // What becomes of a frame is told to whoever said it.
        WorkspaceFrame::Accepted { .. }
        | WorkspaceFrame::Rejected { .. }
        | WorkspaceFrame::Lagged => Vec::new(),
    }
}
