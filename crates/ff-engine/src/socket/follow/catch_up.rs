//! What a client lacks when it connects: entries, and the beginnings of messages still being
//! written.

use std::collections::HashSet;

use ff_core::session::{Event, Watch};
use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::socket::WorkspaceFrame;
use tokio::sync::broadcast::error::TryRecvError;

use super::{End, Follower, PAGE};
use crate::pages::within;
use crate::socket::wire::Speaker;

const SNAPSHOT_BYTES: usize = 1 << 20;

impl Follower {
    pub(super) async fn catch_up(
        &mut self,
        after: Option<(String, u64)>,
        watch: &mut Watch,
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
        let sessions = store.sessions(&self.workspace).await?;
        let (messages, rest) = within(SNAPSHOT_BYTES, self.page(PAGE).await?);
        messages.iter().for_each(|entry| self.note(entry));
        let snapshot = WorkspaceFrame::MessagesSnapshot {
            workspace_id: self.workspace.clone(),
            journal,
            messages,
            sessions,
        };
        speaker.json(&snapshot).await?;
        let mut page = rest;
        if page.is_empty() {
            page = self.page(PAGE).await?;
        }
        while !page.is_empty() {
            for entry in page {
                self.tell(entry, speaker).await?;
            }
            page = self.page(PAGE).await?;
        }
        self.pass_over(watch, speaker).await
    }

    /// What happened while catching up, without the pieces of messages that were told whole.
    async fn pass_over(&mut self, watch: &mut Watch, speaker: &mut Speaker) -> Result<(), End> {
        let mut waiting = Vec::new();
        loop {
            match watch.events.try_recv() {
                Ok(event) => waiting.push(event),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(_)) => return self.lagged(speaker).await,
            }
        }
        let coming: HashSet<u64> = waiting.iter().filter_map(seq).collect();
        let coming = self.told.iter().filter(|(_, seq)| coming.contains(seq));
        let coming = coming.map(|(session, seq)| (session.clone(), *seq));
        self.stale.extend(coming);
        for partial in std::mem::take(&mut watch.partials) {
            match self.told.get(&partial.session_id) {
                // Its entry was told from the store, and its event is still to come.
                Some(seq) if *seq > partial.after => {
                    self.stale.insert(partial.session_id, *seq);
                }
                _ => {
                    let written = WorkspaceFrame::Delta {
                        session_id: partial.session_id,
                        kind: partial.kind,
                        text: partial.text,
                    };
                    speaker.json(&written).await?;
                }
            }
        }
        for event in waiting {
            self.event(event, speaker).await?;
        }
        Ok(())
    }

    /// Notes what is being told.
    pub(super) fn note(&mut self, entry: &JournalEntry) {
        self.last = entry.seq;
        if ends_message(entry) {
            self.told.insert(entry.session_id.clone(), entry.seq);
        }
    }

    /// Whether the journal has come as far as this.
    async fn has(&self, seq: u64) -> Result<bool, End> {
        let Some(before) = seq.checked_sub(1) else {
            return Ok(true);
        };
        let store = self.core.store();
        let found = store.entries(&self.workspace, None, before, 1).await?;
        Ok(found.first().is_some_and(|entry| entry.seq == seq))
    }
}

/// The entry that an event tells of.
fn seq(event: &Event) -> Option<u64> {
    match event {
        Event::Entry(entry) => Some(entry.seq),
        Event::Stored(seq) => Some(*seq),
        _ => None,
    }
}

/// Whether pieces that come after this entry belong to another message than those before.
fn ends_message(entry: &JournalEntry) -> bool {
    match entry.kind {
        EntryKind::ClaudeMessage => entry.payload["type"] == "assistant",
        EntryKind::TurnEnded => true,
        _ => false,
    }
}
