//! What happens in a workspace whose sessions run in this process.

use ff_core::Core;
use ff_core::session::{Event, Partial, Watch};
use ff_engine::Pieces;
use ff_protocol::WorkspaceId;
use ff_protocol::session::JournalEntry;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

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
    pieces: Pieces,
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
        let Watch {
            events,
            partials,
            told,
        } = core.sessions().watch(&workspace);
        let mut local = Self {
            core,
            workspace,
            receiver: events,
            pieces: Pieces::new(told),
            seq: after,
            waiting: Vec::new(),
        };
        local.catch_up(partials).await?;
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
                let watch = self.core.sessions().watch(&self.workspace);
                self.receiver = watch.events;
                self.pieces = Pieces::new(watch.told);
                self.catch_up(watch.partials).await?;
                Ok(std::mem::take(&mut self.waiting))
            }
            Err(RecvError::Closed) => Err(Failure::new(
                Exit::Failed,
                "the sessions of this machine were shut down",
            )
            .into()),
        }
    }

    /// Everything up to this moment: entries, what is still being written, sessions.
    async fn catch_up(&mut self, mut partials: Vec<Partial>) -> anyhow::Result<()> {
        let missed = self.entries_to(u64::MAX).await?;
        missed.iter().for_each(|entry| self.pieces.read(entry));
        partials.retain(|partial| self.pieces.are_news(&partial.session_id));
        let sessions = self.core.store().sessions(&self.workspace).await?;
        self.waiting.push(Happening::CaughtUp);
        self.waiting.extend(missed.into_iter().map(entry));
        let begun = partials
            .into_iter()
            .map(|p| Happening::Delta(p.session_id, p.kind, p.text));
        self.waiting.extend(begun);
        let sessions = sessions.into_iter();
        self.waiting
            .extend(sessions.map(|s| Happening::Status(Box::new(s))));
        Ok(())
    }

    async fn told(&mut self, event: Event) -> anyhow::Result<Vec<Happening>> {
        Ok(match event {
            Event::Entry(new) => {
                self.pieces.passed(new.seq);
                if self.seq.is_none_or(|seq| new.seq == seq + 1) {
                    self.seq = Some(new.seq);
                    return Ok(vec![entry((*new).clone())]);
                }
                self.missed(new.seq).await?
            }
            Event::Stored(seq) => {
                self.pieces.passed(seq);
                self.missed(seq).await?
            }
            Event::Delta { session_id, .. } if !self.pieces.are_news(&session_id) => Vec::new(),
            Event::Delta {
                session_id,
                kind,
                text,
            } => vec![Happening::Delta(session_id, kind, text)],
            Event::Status(session) => vec![Happening::Status(session)],
            Event::WorkspaceChanged => vec![Happening::Changed],
        })
    }

    /// Not beyond this entry: pieces that belong before the next are still to come.
    async fn missed(&mut self, seq: u64) -> anyhow::Result<Vec<Happening>> {
        let entries = self.entries_to(seq).await?;
        Ok(entries.into_iter().map(entry).collect())
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
