//! What happens in a workspace, from either side in the same words.

use ff_client::ClientError;
use ff_client::socket::{WorkspaceEvent, WorkspaceSocket};
use ff_core::Core;
use ff_core::session::Event;
use ff_protocol::session::{JournalEntry, Session};
use ff_protocol::socket::{DeltaKind, WorkspaceFrame};
use ff_protocol::{SessionId, WorkspaceId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::failure::{Exit, Failure};

/// Entries read at once after we fell behind.
const PAGE: u64 = 10_000;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Happening {
    /// The journal has a new entry.
    Entry(Box<JournalEntry>),
    /// A piece of a message still being written.
    Delta(SessionId, String),
    /// A session is now like this.
    Status(Box<Session>),
    /// Something to tell the user.
    Note(String),
}

/// Where happenings come from.
pub enum Events {
    /// The core in this process.
    Here(Local),
    /// The workspace's socket.
    Cloud(WorkspaceSocket),
}

/// Events of the core in this process.
pub struct Local {
    core: Core,
    workspace: WorkspaceId,
    receiver: Receiver<Event>,
    seq: Option<u64>,
}

impl Events {
    /// Events of the core in this process, from now on.
    pub fn here(core: Core, workspace: WorkspaceId) -> Self {
        let receiver = core.sessions().watch(&workspace).events;
        Self::Here(Local {
            core,
            workspace,
            receiver,
            seq: None,
        })
    }

    /// What happens next; in order, nothing left out but deltas.
    ///
    /// # Errors
    /// The source is gone for good.
    pub async fn next(&mut self) -> anyhow::Result<Vec<Happening>> {
        match self {
            Self::Here(local) => local.next().await,
            Self::Cloud(socket) => match socket.next().await {
                Some(Ok(event)) => Ok(of_socket(event)),
                Some(Err(ClientError::Closed { code, .. }))
                    if code == ff_protocol::close::SUSPENDED =>
                {
                    Err(Failure::new(Exit::Refused, "the VM went to sleep")
                        .next("ff cloud status")
                        .into())
                }
                Some(Err(error)) => Err(error.into()),
                None => Err(
                    Failure::new(Exit::Unreachable, "the cloud closed the connection")
                        .next("ff cloud status")
                        .into(),
                ),
            },
        }
    }
}

impl Local {
    async fn next(&mut self) -> anyhow::Result<Vec<Happening>> {
        match self.receiver.recv().await {
            Ok(Event::Entry(entry)) => self.up_to(entry.seq).await,
            Ok(Event::Stored(seq)) => self.up_to(seq).await,
            Ok(Event::Delta {
                session_id,
                kind: DeltaKind::Text,
                text,
            }) => Ok(vec![Happening::Delta(session_id, text)]),
            Ok(Event::Delta { .. } | Event::WorkspaceChanged) => Ok(Vec::new()),
            Ok(Event::Status(session)) => Ok(vec![Happening::Status(session)]),
            Err(RecvError::Lagged(_)) => {
                let mut missed = match self.seq {
                    Some(after) => self.entries(after, PAGE).await?,
                    None => Vec::new(),
                };
                let sessions = self.core.store().sessions(&self.workspace).await?;
                let now = sessions.into_iter().map(|s| Happening::Status(Box::new(s)));
                missed.extend(now);
                Ok(missed)
            }
            Err(RecvError::Closed) => Err(Failure::new(
                Exit::Failed,
                "the sessions of this machine were shut down",
            )
            .into()),
        }
    }

    /// Not beyond this one: deltas that belong before the next are still to come.
    async fn up_to(&mut self, seq: u64) -> anyhow::Result<Vec<Happening>> {
        let after = self.seq.unwrap_or(seq.saturating_sub(1));
        self.entries(after, seq.saturating_sub(after)).await
    }

    async fn entries(&mut self, after: u64, count: u64) -> anyhow::Result<Vec<Happening>> {
        let store = self.core.store();
        let entries = store.entries(&self.workspace, None, after, count).await?;
        self.seq = Some(entries.last().map_or(after, |entry| entry.seq));
        Ok(entries
            .into_iter()
            .map(|e| Happening::Entry(Box::new(e)))
            .collect())
    }
}

fn of_socket(event: WorkspaceEvent) -> Vec<Happening> {
    let frame = match event {
        WorkspaceEvent::Frame(frame) => *frame,
        WorkspaceEvent::Reconnecting(why) => {
            return vec![Happening::Note(format!("reconnecting: {why}"))];
        }
    };
    match frame {
        WorkspaceFrame::MessagesSnapshot {
            messages, sessions, ..
        } => {
            let messages = messages.into_iter().map(|e| Happening::Entry(Box::new(e)));
            let sessions = sessions.into_iter().map(|s| Happening::Status(Box::new(s)));
            messages.chain(sessions).collect()
        }
        WorkspaceFrame::ClaudeMessage { entry }
        | WorkspaceFrame::UserQuestion { entry }
        | WorkspaceFrame::PermissionRequest { entry } => vec![Happening::Entry(Box::new(entry))],
        WorkspaceFrame::Delta {
            session_id,
            kind: DeltaKind::Text,
            text,
        } => vec![Happening::Delta(session_id, text)],
        WorkspaceFrame::Status { session } => vec![Happening::Status(session)],
        WorkspaceFrame::Delta { .. }
        | WorkspaceFrame::WorkspaceChanged { .. }
        | WorkspaceFrame::Accepted { .. }
        | WorkspaceFrame::Rejected { .. }
        | WorkspaceFrame::Lagged => Vec::new(),
    }
}
