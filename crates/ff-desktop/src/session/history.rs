//! What was said before, for people.

use std::collections::{BTreeMap, VecDeque};

use ff_protocol::session::{
    EntryKind, JournalEntry, MessageState, Session, SessionDetail, Unfinished,
};
use ff_protocol::{SessionId, WorkspaceId};
use serde_json::Value;

use crate::clean::{clean, clean_line};
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
        let fates = Fates::of_entries(&self.last);
        self.last
            .iter()
            .filter_map(move |entry| message(entry, &fates))
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

/// What became of messages and requests, as far as it is known.
#[derive(Debug, Default)]
pub struct Fates {
    messages: BTreeMap<u64, &'static str>,
    requests: BTreeMap<String, String>,
}

impl Fates {
    /// Those of a whole conversation.
    pub fn of(detail: &SessionDetail) -> Self {
        let mut fates = Self::of_entries(&detail.messages);
        let session = &detail.session;
        let queued = |it: &&Unfinished| it.state == MessageState::Queued;
        let waiting = detail.unfinished.iter().filter(queued).count();
        // One more than wait: the turn of the first runs.
        let mut runs = waiting > session.queued as usize;
        for Unfinished { seq, state } in &detail.unfinished {
            let fate = match state {
                MessageState::Done => continue,
                MessageState::Interrupted => "interrupted",
                MessageState::Cancelled => "taken back, not sent",
                MessageState::Queued if std::mem::take(&mut runs) => "its turn runs",
                MessageState::Queued if session.login_required.is_some() => "waits for a login",
                MessageState::Queued if session.held => "waits for you to resume",
                MessageState::Queued => "waits for its turn",
            };
            fates.messages.insert(*seq, fate);
        }
        fates
    }

    fn of_entries<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>) -> Self {
        let mut fates = Self::default();
        for entry in entries {
            let Some(id) = entry.payload["requestId"].as_str() else {
                continue;
            };
            match entry.kind {
                EntryKind::Answer => {
                    let fate = request_fate(&entry.payload);
                    fates.requests.insert(id.to_owned(), fate);
                }
                // The next process asks the same again.
                EntryKind::Request => drop(fates.requests.remove(id)),
                _ => {}
            }
        }
        fates
    }
}

/// What became of a request, by the last entry about it.
fn request_fate(answer: &Value) -> String {
    let by = answer["by"].as_str().map(clean_line);
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    match answer["outcome"].as_str() {
        Some("allowed") => format!("allowed{by}"),
        Some("denied") => format!("refused{by}"),
        Some("orphaned") => "its process has ended; an answer starts another".into(),
        _ => "no longer asked".into(),
    }
}

/// A message for people, with what became of it; entries without words for them are left out.
pub fn message(entry: &JournalEntry, fates: &Fates) -> Option<String> {
    match entry.kind {
        EntryKind::UserMessage => {
            let fate = fates.messages.get(&entry.seq);
            let fate = fate.map(|fate| format!(" [{fate}]")).unwrap_or_default();
            Some(format!("you{fate}: {}", clean(&entry.text())))
        }
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
            let fate = fates.requests.get(request.id.as_str());
            let fate = fate.map_or("waits for an answer", String::as_str);
            Some(format!("{lines}\n  request {} [{fate}]", request.id))
        }
        EntryKind::ClaudeMessage | EntryKind::TurnEnded | EntryKind::Answer | EntryKind::Status => {
            None
        }
    }
}
