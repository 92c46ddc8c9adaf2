//! `GET /api/workspaces/{workspace}/socket?after=JOURNAL:SEQ`: the journal from there on, without
//! gap or repetition, and what happens meanwhile.

use axum::extract::State;
use axum::response::Response;
use ff_core::Core;
use ff_core::session::Event;
use ff_protocol::session::JournalEntry;
use ff_protocol::socket::WorkspaceFrame;
use ff_protocol::{ErrorCode, WorkspaceId, close};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::wire::{Broken, Heard, Listener, Speaker, Upgrade, close_after, open};
use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

const PAGE: u64 = 50;
const SNAPSHOT_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
pub(super) struct Params {
    after: Option<String>,
}

/// Why following ended.
enum End {
    Broken,
    Lagged,
    Stopping,
    Fault(ff_core::Error),
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<ff_core::Error> for End {
    fn from(error: ff_core::Error) -> Self {
        Self::Fault(error)
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
        awake,
        async move |mut speaker, mut listener| {
            let follower = Follower {
                core,
                workspace,
                last: 0,
            };
            let (code, reason) = match follower.run(after, &mut speaker, &mut listener).await {
                End::Broken => return,
                End::Lagged => (close::GOING_AWAY, "fell behind"),
                End::Stopping => (close::RESTART, "the engine is stopping"),
                End::Fault(error) => {
                    tracing::error!(?error, "a workspace socket failed");
                    (close::FAULT, "a fault of ours")
                }
            };
            close_after(speaker, listener, code, reason).await;
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
}

impl Follower {
    async fn run(
        mut self,
        after: Option<(String, u64)>,
        speaker: &mut Speaker,
        listener: &mut Listener,
    ) -> End {
        // First: what is entered while we read the store is then told twice, never not at all.
        let mut events = self.core.sessions().watch(&self.workspace).events;
        match self.catch_up(after, &mut events, speaker).await {
            Ok(()) => {}
            Err(end) => return end,
        }
        match self.live(&mut events, speaker, listener).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn catch_up(
        &mut self,
        after: Option<(String, u64)>,
        events: &mut Receiver<Event>,
        speaker: &mut Speaker,
    ) -> Result<(), End> {
        let store = self.core.store();
        let journal = store.journal_id(&self.workspace).await?;
        if let Some((known, seq)) = after
            && known == journal
            && self.has(seq).await?
        {
            self.last = seq;
        }
        let sessions = self.core.store().sessions(&self.workspace).await?;
        let (messages, rest) = split(self.page(PAGE).await?);
        self.last = messages.last().map_or(self.last, |entry| entry.seq);
        let workspace_id = self.workspace.clone();
        let snapshot = WorkspaceFrame::MessagesSnapshot {
            workspace_id,
            journal,
            messages,
            sessions,
        };
        speaker.json(&snapshot).await?;
        self.tell(rest, speaker).await?;
        loop {
            let page = self.page(PAGE).await?;
            if page.is_empty() {
                break;
            }
            self.tell(page, speaker).await?;
        }
        self.pass_over(events, speaker).await
    }

    /// Events from the time of catching up. Deltas before an entry that was told meanwhile
    /// belong to a message that is known whole.
    async fn pass_over(
        &mut self,
        events: &mut Receiver<Event>,
        speaker: &mut Speaker,
    ) -> Result<(), End> {
        let mut waiting = Vec::new();
        loop {
            match events.try_recv() {
                Ok(event) => waiting.push(event),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(_)) => return self.lagged(speaker).await,
            }
        }
        let told = |event: &Event| seq_of(event).is_some_and(|seq| seq <= self.last);
        let fresh = waiting.iter().rposition(told).map_or(0, |at| at + 1);
        for (place, event) in waiting.into_iter().enumerate() {
            if place >= fresh || !matches!(event, Event::Delta { .. }) {
                self.event(event, speaker).await?;
            }
        }
        Ok(())
    }

    async fn live(
        &mut self,
        events: &mut Receiver<Event>,
        speaker: &mut Speaker,
        listener: &mut Listener,
    ) -> Result<std::convert::Infallible, End> {
        let core = self.core.clone();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.event(event, speaker).await?,
                    Err(RecvError::Lagged(_)) => self.lagged(speaker).await?,
                    Err(RecvError::Closed) => return Err(End::Stopping),
                },
                // A client has nothing to say here; newer ones may.
                heard = listener.next() => if let Heard::Over = heard {
                    return Err(End::Broken);
                },
                () = speaker.ping_due() => speaker.ping().await?,
                () = core.sessions().stopping() => return Err(End::Stopping),
            }
        }
    }

    async fn event(&mut self, event: Event, speaker: &mut Speaker) -> Result<(), End> {
        match event {
            Event::WorkspaceChanged => {
                let workspace_id = self.workspace.clone();
                speaker
                    .json(&WorkspaceFrame::WorkspaceChanged { workspace_id })
                    .await?;
            }
            Event::Entry(_) | Event::Stored(_) => {
                let seq = seq_of(&event).unwrap_or_default();
                while seq > self.last {
                    // Not further than this entry: deltas before the next one are still to come.
                    let page = self.page((seq - self.last).min(PAGE)).await?;
                    if page.is_empty() {
                        break;
                    }
                    self.tell(page, speaker).await?;
                }
            }
            Event::Delta {
                session_id,
                kind,
                text,
            } => {
                speaker
                    .json(&WorkspaceFrame::Delta {
                        session_id,
                        kind,
                        text,
                    })
                    .await?;
            }
            Event::Status(session) => {
                speaker.json(&WorkspaceFrame::Status { session }).await?;
            }
        }
        Ok(())
    }

    async fn lagged(&self, speaker: &mut Speaker) -> Result<(), End> {
        speaker.json(&WorkspaceFrame::Lagged).await?;
        Err(End::Lagged)
    }

    async fn tell(&mut self, entries: Vec<JournalEntry>, speaker: &mut Speaker) -> Result<(), End> {
        for entry in entries {
            self.last = entry.seq;
            speaker
                .json(&WorkspaceFrame::ClaudeMessage { entry })
                .await?;
        }
        Ok(())
    }

    async fn page(&self, limit: u64) -> Result<Vec<JournalEntry>, End> {
        Ok(self
            .core
            .store()
            .entries(&self.workspace, None, self.last, limit)
            .await?)
    }

    /// Whether the journal has come as far as this.
    async fn has(&self, seq: u64) -> Result<bool, End> {
        let Some(before) = seq.checked_sub(1) else {
            return Ok(true);
        };
        let found = self
            .core
            .store()
            .entries(&self.workspace, None, before, 1)
            .await?;
        Ok(found.first().is_some_and(|entry| entry.seq == seq))
    }
}

fn seq_of(event: &Event) -> Option<u64> {
    match event {
        Event::Entry(entry) => Some(entry.seq),
        Event::Stored(seq) => Some(*seq),
        _ => None,
    }
}

/// As many entries as fit into one frame, and the rest.
fn split(mut entries: Vec<JournalEntry>) -> (Vec<JournalEntry>, Vec<JournalEntry>) {
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        bytes += entry.payload.to_string().len();
        bytes <= SNAPSHOT_BYTES
    });
    let fitting = fits.count();
    let rest = entries.split_off(fitting);
    (entries, rest)
}
