//! The workspace socket: frames both ways, over any number of connections.

use std::sync::Mutex;

use ff_protocol::WorkspaceId;
use ff_protocol::socket::{ClientFrame, WorkspaceFrame};
use futures_util::StreamExt;
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backoff::Backoff;
use super::followed::{self, lock};
use super::outbox::{Outbox, Said};
use super::{End, WsStream};
use crate::engine::EngineClient;
use crate::error::{ClientError, Result};
use crate::http::{Http, LONG, WAKE};

/// Events waiting for their reader; when it is slow the server is slowed down.
const EVENTS: usize = 64;
/// Frames of the client waiting for the socket.
const SAID: usize = 64;

/// What happens at a workspace.
#[derive(Debug)]
pub enum WorkspaceEvent {
    /// A frame of the engine. Entries come in order and without repetition.
    Frame(Box<WorkspaceFrame>),
    /// The connection was lost; another attempt follows.
    Reconnecting(String),
    /// The VM went to sleep. The next thing that is said wakes it.
    Suspended,
}

/// The frames of a workspace. Dropping it ends the connection.
#[derive(Debug)]
pub struct WorkspaceSocket {
    events: mpsc::Receiver<Result<WorkspaceEvent>>,
    sender: WorkspaceSender,
    _end: DropGuard,
}

/// The way in to a workspace; clones are cheap.
#[derive(Debug, Clone)]
pub struct WorkspaceSender(mpsc::Sender<Said>);

impl WorkspaceSocket {
    /// The next event; `None` after the socket was closed for good or an error.
    pub async fn next(&mut self) -> Option<Result<WorkspaceEvent>> {
        self.events.recv().await
    }

    /// The way in, to be used beside [`Self::next`]: without it no answer is read.
    pub fn sender(&self) -> WorkspaceSender {
        self.sender.clone()
    }
}

impl WorkspaceSender {
    /// Says something and waits until the engine has accepted it. Over a lost connection it is
    /// said again, under the same id; a sleeping VM is woken by it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when the engine rejected it; the socket is over, or no answer
    /// came for some minutes.
    pub async fn send(&self, frame: ClientFrame) -> Result<()> {
        let (outcome, told) = oneshot::channel();
        let sending = async {
            self.0
                .send(Said { frame, outcome })
                .await
                .map_err(|_| over())?;
            told.await.map_err(|_| over())?
        };
        let limit = LONG;
        let late = |_| {
            Err(ClientError::Timeout {
                address: "the workspace's socket".into(),
                after: limit,
            })
        };
        tokio::time::timeout(limit, sending)
            .await
            .unwrap_or_else(late)
    }
}

fn over() -> ClientError {
    ClientError::Closed {
        code: ff_protocol::close::DONE,
        reason: "the workspace is no longer followed".into(),
    }
}

impl EngineClient {
    /// Follows a workspace from `after` (journal id and last `seq` known), or from its
    /// beginning. On a cloud server this wakes the VM.
    ///
    /// # Errors
    /// The first connection fails. Later ones are tried again for some minutes.
    pub async fn follow(
        &self,
        workspace: &WorkspaceId,
        after: Option<(String, u64)>,
    ) -> Result<WorkspaceSocket> {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (said_in, said) = mpsc::channel(SAID);
        let stop = CancellationToken::new();
        let mut owner = Owner {
            http: self.http.clone(),
            path: format!("/api/workspaces/{workspace}/socket"),
            place: Place(after),
            outbox: Mutex::default(),
            events,
            said,
        };
        let first = owner.dial().await?;
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = owner.run(first) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(WorkspaceSocket {
            events: events_out,
            sender: WorkspaceSender(said_in),
            _end: stop.drop_guard(),
        })
    }
}

/// Where we stand: journal id and last `seq`.
#[derive(Debug)]
pub(super) struct Place(Option<(String, u64)>);

impl Place {
    /// Notes what came; `false` for an entry that we have had.
    pub(super) fn note(&mut self, frame: &WorkspaceFrame) -> bool {
        if let WorkspaceFrame::MessagesSnapshot {
            journal, messages, ..
        } = frame
        {
            let last = messages.last().map(|entry| entry.seq);
            match &mut self.0 {
                Some((known, seq)) if known == journal => *seq = last.unwrap_or(*seq),
                place => *place = Some((journal.clone(), last.unwrap_or(0))),
            }
        }
        match (frame.entry(), &mut self.0) {
            (Some(entry), Some((_, seq))) => {
                let news = entry.seq > *seq;
                *seq = entry.seq.max(*seq);
                news
            }
            _ => true,
        }
    }
}

struct Owner {
    http: Http,
    path: String,
    place: Place,
    outbox: Mutex<Outbox>,
    events: mpsc::Sender<Result<WorkspaceEvent>>,
    said: mpsc::Receiver<Said>,
}

impl Owner {
    async fn dial(&self) -> Result<WsStream> {
        let path = match &self.place.0 {
            Some((journal, seq)) => format!("{}?after={journal}:{seq}", self.path),
            None => self.path.clone(),
        };
        self.http.dial(&path, HeaderMap::new(), WAKE).await
    }

    async fn run(&mut self, first: WsStream) {
        let mut backoff = Backoff::default();
        let mut socket = Some(first);
        loop {
            let end = match socket.take() {
                Some(socket) => backoff.watch(self.connection(socket)).await,
                None => match self.dial().await {
                    Ok(fresh) => {
                        socket = Some(fresh);
                        continue;
                    }
                    Err(error) if error.is_transient() => End::Lost(error.to_string()),
                    Err(error) => End::Failed(error),
                },
            };
            lock(&self.outbox).disconnected();
            let event = match end {
                End::Done => return,
                End::Failed(error) => Err(error),
                End::Lost(reason) => Ok(WorkspaceEvent::Reconnecting(reason)),
                End::Suspended => Ok(WorkspaceEvent::Suspended),
            };
            let (over, asleep) = (
                event.is_err(),
                matches!(event, Ok(WorkspaceEvent::Suspended)),
            );
            if self.events.send(event).await.is_err() || over {
                return;
            }
            if asleep {
                if !self.something_to_say().await {
                    return;
                }
                continue;
            }
            let Some(delay) = backoff.next() else {
                let error = self.http.timeout(Backoff::GIVE_UP);
                let _ = self.events.send(Err(error)).await;
                return;
            };
            tokio::time::sleep(delay).await;
        }
    }

    /// Waits for something to say to a sleeping VM.
    async fn something_to_say(&mut self) -> bool {
        if !lock(&self.outbox).is_empty() {
            return true;
        }
        match self.said.recv().await {
            Some(said) => {
                lock(&self.outbox).push(said);
                true
            }
            None => false,
        }
    }

    async fn connection(&mut self, socket: WsStream) -> End {
        let (sink, stream) = socket.split();
        let moved = Notify::new();
        let Self {
            http,
            place,
            outbox,
            events,
            said,
            ..
        } = self;
        tokio::select! {
            end = followed::read(stream, http, place, outbox, events, &moved) => end,
            end = followed::write(sink, outbox, said, &moved) => end,
        }
    }
}
