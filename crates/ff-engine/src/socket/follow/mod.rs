//! `GET /api/workspaces/{workspace}/socket?after=JOURNAL:SEQ`: the journal from there on, without
//! gap or repetition, what happens meanwhile, and what the client has to say.

mod catch_up;
mod intents;
mod pieces;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use ff_core::Core;
use ff_core::session::{Event, Watch};
use ff_protocol::session::JournalEntry;
use ff_protocol::socket::{LARGEST_CLIENT_FRAME, WorkspaceFrame};
use ff_protocol::{ErrorCode, WorkspaceId, close};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinError;

use self::intents::Intents;
use self::pieces::Pieces;
use super::wire::{Broken, Heard, Listener, Speaker, Upgrade, close_after, open};
use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

const PAGE: u64 = 50;

#[derive(Deserialize)]
pub(super) struct Params {
    after: Option<String>,
}

/// Why following ended.
enum End {
    Broken,
    Lagged,
    TooLarge,
    Stopping,
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<ff_core::Error> for End {
    fn from(error: ff_core::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<JoinError> for End {
    fn from(error: JoinError) -> Self {
        Self::Fault(error.into())
    }
}

pub(super) async fn follow(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
    Query(params): Query<Params>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let core = engine.core().clone();
    core.workspace(&workspace).await?;
    let after = params.after.as_deref().map(place).transpose()?;
    let awake = core.awake().clone();
    Ok(open(
        upgrade,
        LARGEST_CLIENT_FRAME,
        awake,
        async move |mut speaker, mut listener| {
            let mut intents = Intents::new(core.clone(), workspace.clone());
            // First: what is entered while we read the store is then told twice, never not at all.
            let mut watch = core.sessions().watch(&workspace);
            let mut follower = Follower {
                core,
                workspace,
                last: 0,
                pieces: Pieces::new(watch.told),
            };
            let end = follower
                .run(after, &mut watch, &mut speaker, &mut listener, &mut intents)
                .await;
            let goodbye = match end {
                End::Broken => None,
                End::Lagged => Some((close::GOING_AWAY, "fell behind")),
                End::TooLarge => Some((close::TOO_LARGE, "a frame has at most 8 MiB")),
                End::Stopping => Some((close::RESTART, "the engine is stopping")),
                End::Fault(error) => {
                    tracing::error!(?error, "a workspace socket failed");
                    Some((close::FAULT, "a fault of ours"))
                }
            };
            if let Some((code, reason)) = goodbye {
                close_after(speaker, listener, code, reason).await;
            }
            intents.settle().await;
        },
    ))
}

/// Reads `JOURNAL:SEQ`.
fn place(text: &str) -> Result<(String, u64), ApiError> {
    let place = text
        .rsplit_once(':')
        .and_then(|(journal, seq)| Some((journal, seq.parse().ok()?)));
    let Some((journal, seq)) = place else {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`after` is JOURNAL:SEQ",
        ));
    };
    Ok((journal.to_owned(), seq))
}

struct Follower {
    core: Core,
    workspace: WorkspaceId,
    /// The last `seq` sent.
    last: u64,
    pieces: Pieces,
}

impl Follower {
    async fn run(
        &mut self,
        after: Option<(String, u64)>,
        watch: &mut Watch,
        speaker: &mut Speaker,
        listener: &mut Listener,
        intents: &mut Intents,
    ) -> End {
        if let Err(end) = self.catch_up(after, watch, speaker).await {
            return end;
        }
        let events = &mut watch.events;
        match self.live(events, speaker, listener, intents).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn live(
        &mut self,
        events: &mut Receiver<Event>,
        speaker: &mut Speaker,
        listener: &mut Listener,
        intents: &mut Intents,
    ) -> Result<std::convert::Infallible, End> {
        let core = self.core.clone();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.event(event, speaker).await?,
                    Err(RecvError::Lagged(_)) => self.lagged(speaker).await?,
                    Err(RecvError::Closed) => return Err(End::Stopping),
                },
                answer = intents.next() => {
                    let answer = answer?;
                    listener.forgive();
                    speaker.json(&answer).await?;
                }
                heard = listener.next(), if intents.has_room() => {
                    let refused = match heard {
                        Heard::Text(text) => intents.hear(&text),
                        Heard::Binary(_) => Some(intents::not_text()),
                        Heard::TooLarge => return Err(End::TooLarge),
                        Heard::Over => return Err(End::Broken),
                    };
                    if let Some(refused) = refused {
                        speaker.json(&refused).await?;
                    }
                }
                () = speaker.ping_due() => speaker.ping().await?,
                () = core.sessions().stopping() => return Err(End::Stopping),
            }
        }
    }

    async fn event(&mut self, event: Event, speaker: &mut Speaker) -> Result<(), End> {
        let frame = match event {
            Event::Entry(entry) => return self.entry(entry, speaker).await,
            Event::Stored(seq) => {
                self.pieces.passed(seq);
                return self.read_up_to(seq, speaker).await;
            }
            Event::Delta { session_id, .. } if !self.pieces.are_news(&session_id) => {
                return Ok(());
            }
            Event::Delta {
                session_id,
                kind,
                text,
            } => WorkspaceFrame::Delta {
                session_id,
                kind,
                text,
            },
            Event::Status(session) => WorkspaceFrame::Status { session },
            Event::WorkspaceChanged => WorkspaceFrame::WorkspaceChanged {
                workspace_id: self.workspace.clone(),
            },
        };
        Ok(speaker.json(&frame).await?)
    }

    async fn entry(&mut self, entry: Arc<JournalEntry>, speaker: &mut Speaker) -> Result<(), End> {
        self.pieces.passed(entry.seq);
        if entry.seq == self.last + 1 {
            return self.tell(Arc::unwrap_or_clone(entry), speaker).await;
        }
        self.read_up_to(entry.seq, speaker).await
    }

    /// Tells from the store what the client lacks, and not further than this: pieces of what comes
    /// next are still to come.
    async fn read_up_to(&mut self, seq: u64, speaker: &mut Speaker) -> Result<(), End> {
        while seq > self.last {
            let page = self.page((seq - self.last).min(PAGE)).await?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                self.tell(entry, speaker).await?;
            }
        }
        Ok(())
    }

    async fn lagged(&self, speaker: &mut Speaker) -> Result<(), End> {
        speaker.json(&WorkspaceFrame::Lagged).await?;
        Err(End::Lagged)
    }

    async fn tell(&mut self, entry: JournalEntry, speaker: &mut Speaker) -> Result<(), End> {
        self.last = entry.seq;
        Ok(speaker.json(&WorkspaceFrame::of_entry(entry)).await?)
    }

    async fn page(&self, limit: u64) -> Result<Vec<JournalEntry>, End> {
        let store = self.core.store();
        let page = store.entries(&self.workspace, None, self.last, limit);
        Ok(page.await?)
    }
}
