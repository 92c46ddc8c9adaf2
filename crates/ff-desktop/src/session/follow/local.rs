//! What happens in a workspace whose sessions run in this process.

use ff_core::Core;
use ff_core::session::{Event, Partial, Watch};
use ff_protocol::WorkspaceId;
use ff_protocol::session::{EntryKind, JournalEntry};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Happening;
use crate::failure::{Exit, Failure};
use crate::session::voice::Voice;

/// Entries read at once.
const PAGE: u64 = 1000;

/// Events of the core in this process.
pub struct Local {
    core: Core,
    workspace: WorkspaceId,
    receiver: Receiver<Event>,
    /// The last entry that was told; before the first one, unless it was asked for what is old.
    seq: Option<u64>,
    waiting: Vec<Happening>,
}

impl Local {
    /// Events after this entry of the journal, or from now on.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn begin(
        core: Core,
        workspace: WorkspaceId,
        after: Option<u64>,
    ) -> anyhow::Result<Self> {
        let watch = core.sessions().watch(&workspace);
        let mut local = Self {
            core,
            workspace,
            receiver: watch.events,
            seq: after,
            waiting: Vec::new(),
        };
        local.catch_up(watch.partials).await?;
        Ok(local)
    }

    /// The way to say something to the workspace's sessions.
    pub fn voice(&self) -> Voice {
        Voice::Here(self.core.sessions().clone(), self.workspace.clone())
    }

    /// What happens next; in order, nothing left out.
    ///
    /// # Errors
    /// The core was shut down, or the journal cannot be read.
    pub async fn next(&mut self) -> anyhow::Result<Vec<Happening>> {
        if !self.waiting.is_empty() {
            return Ok(std::mem::take(&mut self.waiting));
        }
        match self.receiver.recv().await {
            Ok(event) => self.told(event).await,
            Err(RecvError::Lagged(_)) => {
                self.again().await?;
                Ok(std::mem::take(&mut self.waiting))
            }
            Err(RecvError::Closed) => Err(Failure::new(
                Exit::Failed,
                "the sessions of this machine were shut down",
            )
            .into()),
        }
    }

    /// Watches anew after events were missed.
    async fn again(&mut self) -> anyhow::Result<()> {
        let Watch { events, partials } = self.core.sessions().watch(&self.workspace);
        self.receiver = events;
        self.catch_up(partials).await
    }

    /// Everything up to this moment: entries, sessions, what is still being written.
    async fn catch_up(&mut self, partials: Vec<Partial>) -> anyhow::Result<()> {
        let missed = self.entries_to(u64::MAX).await?;
        let is_whole = |partial: &Partial| missed.iter().any(|entry| completes(entry, partial));
        let partials: Vec<Partial> = partials.into_iter().filter(|p| !is_whole(p)).collect();
        let sessions = self.core.store().sessions(&self.workspace).await?;
        self.waiting.push(Happening::CaughtUp);
        self.waiting.extend(missed.into_iter().map(entry));
        let pieces = partials
            .into_iter()
            .map(|p| Happening::Delta(p.session_id, p.kind, p.text));
        self.waiting.extend(pieces);
        let sessions = sessions.into_iter();
        self.waiting
            .extend(sessions.map(|s| Happening::Status(Box::new(s))));
        self.pass_over().await
    }

    /// Events from the time of catching up. Pieces before an entry that was told meanwhile belong
    /// to a message that is known whole.
    async fn pass_over(&mut self) -> anyhow::Result<()> {
        let mut events = Vec::new();
        loop {
            match self.receiver.try_recv() {
                Ok(event) => events.push(event),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(_)) => return Box::pin(self.again()).await,
            }
        }
        let known = |event: &Event| seq_of(event).is_some_and(|seq| Some(seq) <= self.seq);
        let fresh = events.iter().rposition(known).map_or(0, |at| at + 1);
        for (place, event) in events.into_iter().enumerate() {
            if place >= fresh || !matches!(event, Event::Delta { .. }) {
                let told = self.told(event).await?;
                self.waiting.extend(told);
            }
        }
        Ok(())
    }

    async fn told(&mut self, event: Event) -> anyhow::Result<Vec<Happening>> {
        Ok(match event {
            Event::Entry(new) if self.seq.is_none_or(|seq| new.seq == seq + 1) => {
                self.seq = Some(new.seq);
                vec![entry((*new).clone())]
            }
            // Not beyond this one: pieces that belong before the next are still to come.
            Event::Entry(new) => self
                .entries_to(new.seq)
                .await?
                .into_iter()
                .map(entry)
                .collect(),
            Event::Stored(seq) => self.entries_to(seq).await?.into_iter().map(entry).collect(),
            Event::Delta {
                session_id,
                kind,
                text,
            } => vec![Happening::Delta(session_id, kind, text)],
            Event::Status(session) => vec![Happening::Status(session)],
            Event::WorkspaceChanged => vec![Happening::Changed],
        })
    }

    /// The entries that were not told yet, up to this one.
    async fn entries_to(&mut self, seq: u64) -> anyhow::Result<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        let first = || (seq < u64::MAX).then(|| seq.saturating_sub(1));
        let Some(mut last) = self.seq.or_else(first) else {
            return Ok(entries);
        };
        while last < seq {
            let store = self.core.store();
            let count = (seq - last).min(PAGE);
            let page = store.entries(&self.workspace, None, last, count).await?;
            let Some(newest) = page.last() else { break };
            last = newest.seq;
            entries.extend(page);
        }
        self.seq = Some(last);
        Ok(entries)
    }
}

fn entry(entry: JournalEntry) -> Happening {
    Happening::Entry(Box::new(entry))
}

fn seq_of(event: &Event) -> Option<u64> {
    match event {
        Event::Entry(entry) => Some(entry.seq),
        Event::Stored(seq) => Some(*seq),
        _ => None,
    }
}

/// Whether the entry is, or comes after, the whole message that was still being written.
fn completes(entry: &JournalEntry, partial: &Partial) -> bool {
    let ends = entry.kind == EntryKind::TurnEnded
        || (entry.kind == EntryKind::ClaudeMessage && entry.payload["type"] == "assistant");
    ends && entry.session_id == partial.session_id && entry.seq > partial.after
}
