//! What keeps the VM awake: work, not connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use ff_core::{Core, clock};
use ff_protocol::Timestamp;
use ff_protocol::agent::{Cause, CauseKind};

/// Terminal input counts as work for this long.
const INPUT_COUNTS_FOR: Duration = Duration::from_secs(30);

/// Remembers when something last worked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Activity {
    core: Core,
    last: Arc<Mutex<Timestamp>>,
}

impl Activity {
    pub(crate) fn new(core: Core) -> Self {
        Self {
            core,
            last: Arc::new(Mutex::new(clock::now())),
        }
    }

    /// What works now, and when something last did.
    pub(crate) async fn report(&self) -> ff_core::Result<(Vec<Cause>, Timestamp)> {
        let now = clock::now();
        let cause = |kind, name| Cause {
            kind,
            name,
            since: now,
        };
        let sessions = self.core.sessions().working().into_iter();
        let mut working: Vec<Cause> = sessions.map(|name| cause(CauseKind::Turn, name)).collect();
        let input = self.core.terminals().last_input_at();
        if let Some(at) = input {
            self.note(at);
            if (now - at).to_std().is_ok_and(|ago| ago < INPUT_COUNTS_FOR) {
                working.push(cause(CauseKind::TerminalInput, "terminal input".to_owned()));
            }
        }
        for (id, _, _) in self.core.handoffs_unfinished().await? {
            working.push(cause(CauseKind::Handoff, format!("hand-off {id}")));
        }
        if !working.is_empty() {
            self.note(now);
        }
        Ok((
            working,
            *self.last.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn note(&self, at: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(at);
    }
}

/// Counts every request that changes something as activity.
pub(crate) async fn note_changes(
    State(activity): State<Activity>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::GET {
        activity.note(clock::now());
    }
    next.run(request).await
}
