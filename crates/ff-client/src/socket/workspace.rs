//! The workspace socket: its frames as one stream, over any number of connections.

use ff_protocol::WorkspaceId;
use ff_protocol::socket::WorkspaceFrame;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::HeaderMap;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backoff::Backoff;
use super::{End, PING, SILENCE, WRITE, WsStream, broken, closed};
use crate::engine::EngineClient;
use crate::error::{ClientError, Result};
use crate::http::{Http, WAKE};

/// Events waiting for their reader; when it is slow the server is slowed down.
const EVENTS: usize = 64;

/// What happens at a workspace.
#[derive(Debug)]
pub enum WorkspaceEvent {
    /// A frame of the engine. Entries come in order and without repetition.
    Frame(Box<WorkspaceFrame>),
    /// The connection was lost; another attempt follows.
    Reconnecting(String),
}

/// The frames of a workspace. Dropping it ends the connection.
#[derive(Debug)]
pub struct WorkspaceSocket {
    events: mpsc::Receiver<Result<WorkspaceEvent>>,
    _end: DropGuard,
}

impl WorkspaceSocket {
    /// The next event; `None` after the socket was closed for good or an error. An error with
    /// code [`ff_protocol::close::SUSPENDED`] says that the VM went to sleep.
    pub async fn next(&mut self) -> Option<Result<WorkspaceEvent>> {
        self.events.recv().await
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
        let stop = CancellationToken::new();
        let mut owner = Owner {
            http: self.http.clone(),
            path: format!("/api/workspaces/{workspace}/socket"),
            place: Place(after),
            events,
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
            _end: stop.drop_guard(),
        })
    }
}

/// Where we stand: journal id and last `seq`.
#[derive(Debug)]
struct Place(Option<(String, u64)>);

impl Place {
    /// Notes what came; `false` for an entry that we have had.
    fn note(&mut self, frame: &WorkspaceFrame) -> bool {
        match (frame, &mut self.0) {
            (
                WorkspaceFrame::MessagesSnapshot {
                    journal, messages, ..
                },
                place,
            ) => {
                let last = messages.last().map(|entry| entry.seq);
                match place {
                    Some((known, seq)) if known == journal => *seq = last.unwrap_or(*seq),
                    _ => *place = Some((journal.clone(), last.unwrap_or(0))),
                }
                true
            }
            (frame, Some((_, seq))) => frame.entry().is_none_or(|entry| {
                let news = entry.seq > *seq;
                *seq = entry.seq.max(*seq);
                news
            }),
            _ => true,
        }
    }
}

struct Owner {
    http: Http,
    path: String,
    place: Place,
    events: mpsc::Sender<Result<WorkspaceEvent>>,
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
            let event = match end {
                End::Done => return,
                End::Failed(error) => Err(error),
                End::Lost(reason) => Ok(WorkspaceEvent::Reconnecting(reason)),
                End::Suspended => Err(ClientError::Closed {
                    code: ff_protocol::close::SUSPENDED,
                    reason: "the VM went to sleep".into(),
                }),
            };
            let over = event.is_err();
            if self.events.send(event).await.is_err() || over {
                return;
            }
            let Some(delay) = backoff.next() else {
                let error = self.http.timeout(Backoff::GIVE_UP);
                let _ = self.events.send(Err(error)).await;
                return;
            };
            tokio::time::sleep(delay).await;
        }
    }

    async fn connection(&mut self, mut socket: WsStream) -> End {
        let mut ping = tokio::time::interval(PING);
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                _ = ping.tick() => {
                    let ping = socket.send(Message::Ping(bytes::Bytes::new()));
                    match tokio::time::timeout(WRITE, ping).await {
                        Ok(Ok(())) => continue,
                        _ => return End::Lost("the connection broke".into()),
                    }
                }
                () = &mut silence => return End::Lost("no sign of life".into()),
            };
            let text = match message {
                None => return End::Lost("the connection broke".into()),
                Some(Err(error)) => return broken(&self.http, error),
                Some(Ok(Message::Text(text))) => Some(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return closed(frame.code.into(), &frame.reason);
                }
                Some(Ok(Message::Close(None))) => return End::Lost("closed".into()),
                Some(Ok(_)) => None,
            };
            // A frame of a kind we do not know comes from a newer engine.
            if let Some(frame) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                if matches!(frame, WorkspaceFrame::Lagged) {
                    return End::Lost("fell behind".into());
                }
                if self.place.note(&frame)
                    && self
                        .events
                        .send(Ok(WorkspaceEvent::Frame(Box::new(frame))))
                        .await
                        .is_err()
                {
                    return End::Done;
                }
            }
            silence
                .as_mut()
                .reset(tokio::time::Instant::now() + SILENCE);
        }
    }
}
