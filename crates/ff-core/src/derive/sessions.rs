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

#[cfg(test)]
mod tests {
    use ff_protocol::{RequestId, SessionId};

    use super::*;
    use crate::clock;
    use crate::session::tests::world::session;

    fn request(of: &SessionId, kind: RequestKind, state: RequestState) -> UserRequest {
        UserRequest {
            request_id: RequestId::generate(),
            session_id: of.clone(),
            kind,
            tool_name: "Bash".into(),
            tool_use_id: None,
            description: None,
            input: serde_json::Value::Null,
            state,
            answered_by: None,
            created_at: clock::now(),
        }
    }

    #[test]
    fn any_session_counts_unless_it_is_closed() {
        let quiet = session();
        assert_eq!(
            activity(std::slice::from_ref(&quiet), &[]),
            Activity::default()
        );
        let works = Session {
            activity: Turn::Working,
            queued: 1,
            ..session()
        };
        let starts = Session {
            queued: 1,
            ..session()
        };
        let held = Session {
            held: true,
            ..starts.clone()
        };
        let failed = Session {
            status: SessionStatus::Failed,
            ..session()
        };
        let of = |one: &Session| activity(&[quiet.clone(), one.clone()], &[]);
        let (is_working, is_starting, has_error) = (true, true, true);
        let none = Activity::default();
        assert_eq!(of(&works), Activity { is_working, ..none });
        assert_eq!(
            of(&starts),
            Activity {
                is_starting,
                ..none
            }
        );
        assert_eq!(of(&held), none);
        assert_eq!(of(&failed), Activity { has_error, ..none });
        for mut closed in [works, starts, failed] {
            closed.closed_at = Some(clock::now());
            assert_eq!(of(&closed), none);
        }
    }

    #[test]
    fn a_plan_is_told_before_a_question_before_a_permission() {
        use RequestKind::{Permission, Plan, Question};
        let (one, two) = (session(), session());
        let sessions = [one.clone(), two.clone()];
        let mut requests = Vec::new();
        let cases = [
            (Permission, PendingRequest::PermissionRequest),
            (Question, PendingRequest::UserQuestion),
            (Plan, PendingRequest::PlanApproval),
        ];
        for (kind, expected) in cases {
            requests.push(request(&one.id, kind, RequestState::Open));
            requests.rotate_left(1);
            assert_eq!(activity(&sessions, &requests).pending, Some(expected));
        }
        for state in [
            RequestState::Answered,
            RequestState::Orphaned,
            RequestState::Cancelled,
        ] {
            let over = [request(&two.id, Plan, state)];
            assert_eq!(activity(&sessions, &over).pending, None);
        }
    }
}
