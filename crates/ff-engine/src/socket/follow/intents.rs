//! What a client says: each message is carried out with a permit and answered under its id, those
//! of a session in order, those of several at once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ff_core::Core;
use ff_protocol::socket::{ClientFrame, WorkspaceFrame};
use ff_protocol::{ClientId, ErrorCode, Problem, SessionId, WorkspaceId};
use serde::Deserialize;
use tokio::task::{JoinError, JoinSet};

use crate::ApiError;

/// Most messages that are not answered yet; meanwhile no more are read.
const MOST: usize = 16;
/// Nor are they when those have so many bytes.
const MOST_BYTES: usize = 4 << 20;
/// What a client said before it left is carried out for this long.
const SETTLE: Duration = Duration::from_secs(30);
const LONGEST_DETAIL: usize = 300;

/// The messages of one socket that are not answered yet.
pub(super) struct Intents {
    core: Core,
    workspace: WorkspaceId,
    running: JoinSet<Done>,
    /// By session that has one running: what waits for it.
    waiting: HashMap<SessionId, VecDeque<Heard>>,
    count: usize,
    bytes: usize,
}

struct Heard {
    frame: ClientFrame,
    bytes: usize,
}

struct Done {
    session: SessionId,
    bytes: usize,
    answer: WorkspaceFrame,
}

impl Intents {
    pub(super) fn new(core: Core, workspace: WorkspaceId) -> Self {
        Self {
            core,
            workspace,
            running: JoinSet::new(),
            waiting: HashMap::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// Whether one more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.count < MOST && self.bytes < MOST_BYTES
    }

    /// Takes a message in; one that cannot be read is refused at once.
    pub(super) fn hear(&mut self, text: &str) -> Option<WorkspaceFrame> {
        let frame = match read(text) {
            Ok(frame) => frame,
            Err(refused) => return Some(refused),
        };
        let bytes = text.len();
        self.count += 1;
        self.bytes += bytes;
        let heard = Heard { frame, bytes };
        match self.waiting.get_mut(heard.frame.session_id()) {
            Some(queue) => queue.push_back(heard),
            None => {
                let session = heard.frame.session_id().clone();
                self.waiting.insert(session, VecDeque::new());
                self.start(heard);
            }
        }
        None
    }

    /// The next answer. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Carrying one out panicked.
    pub(super) async fn next(&mut self) -> Result<WorkspaceFrame, JoinError> {
        let Some(done) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        let done = done?;
        self.count -= 1;
        self.bytes -= done.bytes;
        let next = self.waiting.get_mut(&done.session);
        match next.and_then(VecDeque::pop_front) {
            Some(heard) => self.start(heard),
            None => drop(self.waiting.remove(&done.session)),
        }
        Ok(done.answer)
    }

    /// Carries out what was heard though nobody waits for the answers any more.
    pub(super) async fn settle(mut self) {
        let awake = self.core.awake().clone();
        let all = async { while !self.running.is_empty() && self.next().await.is_ok() {} };
        if awake.timeout(SETTLE, all).await.is_none() {
            tracing::warn!("messages of a client that left were given up");
        }
    }

    fn start(&mut self, Heard { frame, bytes }: Heard) {
        let (core, workspace) = (self.core.clone(), self.workspace.clone());
        self.running.spawn(async move {
            let session = frame.session_id().clone();
            let id = frame.id().clone();
            let name = format!("a message for session {session}");
            let permit = core.permits().take(&name).await;
            let answer = match core.sessions().say(&workspace, frame).await {
                Ok(()) => WorkspaceFrame::Accepted { id },
                Err(error) => WorkspaceFrame::Rejected {
                    id: Some(id),
                    problem: ApiError::from(error).0,
                },
            };
            drop(permit);
            Done {
                session,
                bytes,
                answer,
            }
        });
    }
}

/// The refusal of a frame that is no text.
pub(super) fn not_text() -> WorkspaceFrame {
    refused(None, ErrorCode::BadRequest, "a frame is JSON text".into())
}

fn refused(id: Option<ClientId>, code: ErrorCode, detail: String) -> WorkspaceFrame {
    let detail: String = detail.chars().take(LONGEST_DETAIL).collect();
    let problem = Problem::new(code, detail);
    WorkspaceFrame::Rejected { id, problem }
}

/// A client's frame, or its refusal: under its id where that much can be read.
fn read(text: &str) -> Result<ClientFrame, WorkspaceFrame> {
    #[derive(Deserialize)]
    struct Named {
        id: ClientId,
    }
    // serde would take an array for an object as well.
    if !text.trim_start().starts_with('{') {
        let detail = "a frame is a JSON object".into();
        return Err(refused(None, ErrorCode::BadRequest, detail));
    }
    serde_json::from_str(text).map_err(|error| {
        let code = match error.is_data() {
            true => ErrorCode::Invalid,
            false => ErrorCode::BadRequest,
        };
        let named = serde_json::from_str(text).ok();
        let id = named.map(|named: Named| named.id);
        refused(id, code, format!("the frame cannot be read: {error}"))
    })
}
