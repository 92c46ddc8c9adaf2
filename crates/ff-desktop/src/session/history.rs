//! What was said before, for people.

use std::collections::VecDeque;

use ff_protocol::session::{EntryKind, JournalEntry, Session};
use ff_protocol::{SessionId, WorkspaceId};

use crate::clean::clean;
use crate::session::follow::{Request, tool_lines};
use crate::session::host::{Host, PAGE, none};

/// Entries asked of an engine at once, the most it gives.
const ENGINE_PAGE: u64 = 200;
/// Most entries of the last exchange that are kept.
const KEPT: usize = 200;

/// A session, and where its journal ends.
#[derive(Debug)]
pub struct History {
    /// The session.
    pub session: Session,
    /// Its last entry in the journal; 0 for none.
    pub seq: u64,
    last: VecDeque<JournalEntry>,
}

impl History {
    /// Nothing was read yet.
    pub fn of(session: Session) -> Self {
        Self {
            session,
            seq: 0,
            last: VecDeque::new(),
        }
    }

    /// Takes the next entries.
    pub fn read(&mut self, entries: Vec<JournalEntry>) {
        for entry in entries {
            self.seq = entry.seq;
            if entry.kind == EntryKind::UserMessage {
                self.last.clear();
            }
            if self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last.push_back(entry);
        }
    }

    /// The last exchange for people: from the user's last message on.
    pub fn last_exchange(&self) -> impl Iterator<Item = String> {
        self.last.iter().filter_map(message)
    }
}

impl Host<'_> {
    /// A session, the end of its conversation, and where the journal stands.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn history(
        &self,
        workspace: &WorkspaceId,
        id: &SessionId,
    ) -> anyhow::Result<History> {
        let sessions = self.sessions(workspace).await?;
        let session = sessions.into_iter().find(|session| session.id == *id);
        let mut history = History::of(session.ok_or_else(|| none(workspace, id))?);
        loop {
            let before = history.seq;
            let page = match self {
                Self::Here(context) => {
                    let store = context.store().await?;
                    store.entries(workspace, Some(id), before, PAGE).await?
                }
                Self::Engine(engine, _) => {
                    let page = engine.messages(workspace, id, before, ENGINE_PAGE);
                    page.await?.items
                }
            };
            history.read(page);
            if history.seq == before {
                return Ok(history);
            }
        }
    }
}

/// A message for people; entries without words for them are left out.
pub fn message(entry: &JournalEntry) -> Option<String> {
    match entry.kind {
        EntryKind::UserMessage => Some(format!("you: {}", clean(&entry.text()))),
        EntryKind::ClaudeMessage if entry.payload["type"] == "assistant" => {
            let text = entry.text();
            let mut lines = Vec::new();
            if !text.is_empty() {
                lines.push(format!("claude: {}", clean(text.trim_end())));
            }
            lines.extend(tool_lines(&entry.payload["message"]["content"]));
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        EntryKind::Request => {
            let request = Request::of(&entry.payload)?;
            let lines = request.lines().join("\n");
            Some(format!("{lines}\n  request {}", request.id))
        }
        EntryKind::ClaudeMessage | EntryKind::TurnEnded | EntryKind::Answer | EntryKind::Status => {
            None
        }
    }
}
