//! What the sessions of a workspace do, taken together.

use ff_protocol::derived::PendingRequest;
use ff_protocol::session::{
    Activity as Turn, RequestKind, RequestState, Session, SessionStatus, UserRequest,
};

/// What all sessions of a workspace do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// A turn runs.
    pub is_working: bool,
    /// A CLI is about to start.
    pub is_starting: bool,
    /// What waits for the user.
    pub pending: Option<PendingRequest>,
    /// A session could not go on.
    pub has_error: bool,
}

/// Takes the sessions of a workspace and their requests together. Closed sessions do not count.
///
/// | result | when, for any session |
/// |---|---|
/// | working | its turn runs; one that waits for the user does not |
/// | starting | messages wait that nobody holds back, and no turn runs |
/// | pending | an open request: a plan before a question before a permission |
/// | error | status `FAILED` |
///
/// A session is not "starting" in the records: what shows it is a message that is about to go.
pub fn activity(sessions: &[Session], requests: &[UserRequest]) -> Activity {
    let open = || sessions.iter().filter(|s| s.closed_at.is_none());
    let asked = requests
        .iter()
        .filter(|r| r.state == RequestState::Open && open().any(|s| s.id == r.session_id));
    Activity {
        is_working: open().any(|s| s.activity == Turn::Working),
        is_starting: open().any(|s| s.queued > 0 && !s.held && s.activity == Turn::Idle),
        pending: asked.map(|request| pending(request.kind)).min(),
        has_error: open().any(|s| s.status == SessionStatus::Failed),
    }
}

fn pending(kind: RequestKind) -> PendingRequest {
    match kind {
        RequestKind::Plan => PendingRequest::PlanApproval,
        RequestKind::Question => PendingRequest::UserQuestion,
        RequestKind::Permission => PendingRequest::PermissionRequest,
    }
}
