//! What a client lacks when it connects: entries, and the beginnings of messages still being
//! written.

use ff_core::session::Watch;
use ff_protocol::socket::WorkspaceFrame;

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
        messages.iter().for_each(|entry| self.pieces.read(entry));
        self.last = messages.last().map_or(self.last, |entry| entry.seq);
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
                self.pieces.read(&entry);
                self.tell(entry, speaker).await?;
            }
            page = self.page(PAGE).await?;
        }
        for partial in std::mem::take(&mut watch.partials) {
            if self.pieces.are_news(&partial.session_id) {
                let written = WorkspaceFrame::Delta {
                    session_id: partial.session_id,
                    kind: partial.kind,
                    text: partial.text,
                };
                speaker.json(&written).await?;
            }
        }
        Ok(())
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
