//! A client that follows a workspace over every end of its connection, and what it was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use ff_client::EngineClient;
use ff_client::socket::WorkspaceEvent;
use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::socket::WorkspaceFrame;
use ff_protocol::{SessionId, WorkspaceId};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

const SOON: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// How a client comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// By [`ff_client`]'s own way, which waits longer each time.
    ByItself,
    /// At once, by a new socket from where it stands.
    AtOnce,
}

/// A client under way.
#[derive(Debug)]
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    news: watch::Receiver<()>,
    _task: AbortOnDropHandle<()>,
}

/// What a client was told.
#[derive(Debug, Default)]
pub struct Seen {
    journal: Option<String>,
    /// The journal so far.
    pub entries: Vec<JournalEntry>,
    /// What must not happen: gaps, and entries told twice.
    pub faults: Vec<String>,
    /// What each session has streamed.
    pub deltas: HashMap<SessionId, String>,
    /// How often it connected.
    pub connections: usize,
}

impl Seen {
    fn place(&self) -> Option<(String, u64)> {
        let last = self.entries.last().map_or(0, |entry| entry.seq);
        self.journal.clone().map(|journal| (journal, last))
    }

    fn frame(&mut self, frame: WorkspaceFrame) {
        match frame {
            WorkspaceFrame::MessagesSnapshot {
                journal, messages, ..
            } => {
                self.connections += 1;
                let known = self.journal.get_or_insert_with(|| journal.clone());
                if *known != journal {
                    let fault = format!("the journal {known} has become {journal}");
                    self.faults.push(fault);
                }
                messages.into_iter().for_each(|entry| self.entry(entry));
            }
            WorkspaceFrame::Delta {
                session_id, text, ..
            } => self.deltas.entry(session_id).or_default().push_str(&text),
            frame => {
                if let Some(entry) = frame.entry() {
                    self.entry(entry.clone());
                }
            }
        }
    }

    fn entry(&mut self, entry: JournalEntry) {
        let next = self.entries.last().map_or(1, |last| last.seq + 1);
        if entry.seq != next {
            let fault = format!("entry {} came where {next} was due", entry.seq);
            self.faults.push(fault);
        }
        if entry.seq >= next {
            self.entries.push(entry);
        }
    }

    /// Entries of a kind that a session has.
    pub fn of<'a>(
        &'a self,
        session: &'a SessionId,
        kind: EntryKind,
    ) -> impl Iterator<Item = &'a JournalEntry> {
        let wanted =
            move |entry: &&JournalEntry| entry.session_id == *session && entry.kind == kind;
        self.entries.iter().filter(wanted)
    }
}

impl Follower {
    /// Follows a workspace from its beginning.
    pub fn start(engine: EngineClient, workspace: WorkspaceId, way: Return) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (tell, news) = watch::channel(());
        let follow = follow(engine, workspace, way, Arc::clone(&seen), tell);
        Self {
            seen,
            news,
            _task: AbortOnDropHandle::new(tokio::spawn(follow)),
        }
    }

    /// What it was told so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it was told of this.
    ///
    /// # Errors
    /// It is not, or was told what must not be.
    pub async fn until<T>(&self, what: &str, wanted: impl Fn(&Seen) -> Option<T>) -> Result<T> {
        let mut news = self.news.clone();
        let waiting = async {
            loop {
                news.borrow_and_update();
                if let Some(found) = wanted(&self.seen()) {
                    return Ok(found);
                }
                if news.changed().await.is_err() {
                    bail!("a client has ended before: {what}");
                }
            }
        };
        match tokio::time::timeout(SOON, waiting).await {
            Ok(found) => found,
            Err(_) => bail!("a client waited {} s in vain: {what}", SOON.as_secs()),
        }
    }
}

async fn follow(
    engine: EngineClient,
    workspace: WorkspaceId,
    way: Return,
    seen: Arc<Mutex<Seen>>,
    tell: watch::Sender<()>,
) {
    let lock = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let place = lock().place();
        let Ok(mut socket) = engine.follow(&workspace, place).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while let Some(Ok(event)) = socket.next().await {
            match event {
                WorkspaceEvent::Frame(frame) => lock().frame(*frame),
                // It slept: a new connection is what follows it on.
                WorkspaceEvent::Suspended => break,
                WorkspaceEvent::Reconnecting(_) if way == Return::AtOnce => break,
                WorkspaceEvent::Reconnecting(_) => {}
            }
            tell.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(seq: u64) -> JournalEntry {
        JournalEntry {
            seq,
            session_id: SessionId::generate(),
            kind: EntryKind::Status,
            payload: json!({}),
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn told(seqs: &[u64]) -> Seen {
        let mut seen = Seen::default();
        seqs.iter().for_each(|seq| seen.entry(entry(*seq)));
        seen
    }

    #[test]
    fn gaps_and_repetitions_are_faults() {
        assert_eq!(told(&[1, 2, 3]).faults, [""; 0]);
        assert_eq!(told(&[1, 3]).faults, ["entry 3 came where 2 was due"]);
        let seen = told(&[1, 2, 2]);
        assert_eq!(seen.faults, ["entry 2 came where 3 was due"]);
        assert_eq!(seen.entries.len(), 2);
        assert_eq!(told(&[2]).faults, ["entry 2 came where 1 was due"]);
    }

    #[test]
    fn another_journal_is_a_fault() {
        let mut seen = Seen::default();
        let snapshot = |journal: &str| WorkspaceFrame::MessagesSnapshot {
            workspace_id: WorkspaceId::generate(),
            journal: journal.to_owned(),
            messages: Vec::new(),
            sessions: Vec::new(),
        };
        seen.frame(snapshot("a"));
        seen.frame(snapshot("a"));
        assert!(seen.faults.is_empty());
        assert_eq!(seen.place(), Some(("a".to_owned(), 0)));
        seen.frame(snapshot("b"));
        assert_eq!(seen.faults.len(), 1);
    }
}
