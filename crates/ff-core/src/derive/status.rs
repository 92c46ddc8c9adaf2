//! Why a workspace stands where it does on the board.

use ff_protocol::derived::{
    FlowPhase, KanbanColumn, PendingRequest, RatchetState, StatusCode, StatusReason, Tone,
};
use ff_protocol::workspace::{CiStatus, PrState, Workspace, WorkspaceStatus};

use super::sessions::Activity;
use super::{flow, ratchet};

/// What the reason follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Life of the workspace.
    pub status: WorkspaceStatus,
    /// Whether a session was ever started in it.
    pub has_had_sessions: bool,
    /// What its sessions do.
    pub sessions: Activity,
    /// State of its pull request.
    pub pr_state: PrState,
    /// State of its checks.
    pub ci_status: CiStatus,
    /// Whether it conflicts with its base.
    pub has_merge_conflict: bool,
    /// Whether the ratchet acts on it.
    pub ratchet_enabled: bool,
    /// Whether the ratchet has given up.
    pub dispatch_stalled: bool,
    /// What the ratchet sees.
    pub ratchet_state: RatchetState,
    /// Where it is in its flow.
    pub flow: FlowPhase,
    /// Whether it is in auto-iteration, and that runs.
    pub auto_iterating: bool,
}

impl Input {
    /// The input for a workspace whose sessions do this.
    pub fn of(workspace: &Workspace, sessions: Activity) -> Self {
        Self {
            status: workspace.status,
            has_had_sessions: workspace.has_had_sessions,
            sessions,
            pr_state: workspace.pr.state,
            ci_status: workspace.pr.ci_status,
            has_merge_conflict: workspace.pr.has_merge_conflict,
            ratchet_enabled: workspace.ratchet.enabled,
            dispatch_stalled: workspace.ratchet.dispatch_stalled,
            ratchet_state: ratchet::state(workspace.into()),
            flow: flow::state(workspace.into()).phase,
            auto_iterating: false,
        }
    }
}

/// The reason, first match:
///
/// | # | condition | code |
/// |---|---|---|
/// | 1 | status `ARCHIVING`, `ARCHIVED` | `ARCHIVING`, `ARCHIVED` |
/// | 2 | flow, PR or ratchet `MERGED`; PR `CLOSED` | `MERGED`; `PR_CLOSED` |
/// | 3a | a session asks for permission, approval of a plan, an answer | `NEEDS_PERMISSION`, `NEEDS_PLAN_APPROVAL`, `NEEDS_ANSWER` |
/// | 3b | a session is in error | `SESSION_ERROR` |
/// | 4 | status `NEW` or `PROVISIONING`; `FAILED` | `SETTING_UP`; `SETUP_FAILED` |
/// | 5 | a session works; starts; auto-iteration runs | `AGENT_WORKING`; `STARTING_SESSION`; `AUTO_ITERATING` |
/// | 6a | flow not `NO_PR`, ratchet enabled and stalled | `RATCHET_STALLED` |
/// | 6b | flow not `NO_PR`, merge conflict; ratchet enabled, or not | `FIXING_MERGE_CONFLICT`, `MERGE_CONFLICT` |
/// | 7 | flow `CI_WAIT` | `WAITING_FOR_CI` |
/// | 7 | flow `RATCHET_FIXING`; ratchet sees `REVIEW_PENDING`, or not | `FIXING_REVIEW_COMMENTS`, `FIXING_CI_FAILURES` |
/// | 7 | flow `RATCHET_VERIFY` | `CHECKING_PR` |
/// | 7 | flow `READY`; checks `SUCCESS`, or not | `READY_TO_MERGE`, `READY_FOR_REVIEW` |
/// | 8 | no session ever; else | `NO_SESSION_STARTED`, `READY_FOR_NEXT_PROMPT` |
pub fn code(input: &Input) -> StatusCode {
    archived(input)
        .or_else(|| ended(input))
        .or_else(|| asks(input.sessions))
        .or_else(|| setup(input.status))
        .or_else(|| works(input))
        .or_else(|| pull_request(input))
        .unwrap_or(match input.has_had_sessions {
            false => StatusCode::NoSessionStarted,
            true => StatusCode::ReadyForNextPrompt,
        })
}

fn archived(input: &Input) -> Option<StatusCode> {
    match input.status {
        WorkspaceStatus::Archiving => Some(StatusCode::Archiving),
        WorkspaceStatus::Archived => Some(StatusCode::Archived),
        _ => None,
    }
}

fn ended(input: &Input) -> Option<StatusCode> {
    let merged = input.flow == FlowPhase::Merged
        || input.pr_state == PrState::Merged
        || input.ratchet_state == RatchetState::Merged;
    if merged {
        return Some(StatusCode::Merged);
    }
    (input.pr_state == PrState::Closed).then_some(StatusCode::PrClosed)
}

fn asks(sessions: Activity) -> Option<StatusCode> {
    match sessions.pending {
        Some(PendingRequest::PermissionRequest) => Some(StatusCode::NeedsPermission),
        Some(PendingRequest::PlanApproval) => Some(StatusCode::NeedsPlanApproval),
        Some(PendingRequest::UserQuestion) => Some(StatusCode::NeedsAnswer),
        None => sessions.has_error.then_some(StatusCode::SessionError),
    }
}

fn setup(status: WorkspaceStatus) -> Option<StatusCode> {
    match status {
        WorkspaceStatus::New | WorkspaceStatus::Provisioning => Some(StatusCode::SettingUp),
        WorkspaceStatus::Failed => Some(StatusCode::SetupFailed),
        _ => None,
    }
}

fn works(input: &Input) -> Option<StatusCode> {
    if input.sessions.is_working {
        Some(StatusCode::AgentWorking)
    } else if input.sessions.is_starting {
        Some(StatusCode::StartingSession)
    } else {
        input.auto_iterating.then_some(StatusCode::AutoIterating)
    }
}

fn pull_request(input: &Input) -> Option<StatusCode> {
    let code = match input.flow {
        FlowPhase::NoPr => return None,
        _ if input.ratchet_enabled && input.dispatch_stalled => StatusCode::RatchetStalled,
        _ if input.has_merge_conflict && input.ratchet_enabled => StatusCode::FixingMergeConflict,
        _ if input.has_merge_conflict => StatusCode::MergeConflict,
        FlowPhase::CiWait => StatusCode::WaitingForCi,
        FlowPhase::RatchetFixing if input.ratchet_state == RatchetState::ReviewPending => {
            StatusCode::FixingReviewComments
        }
        FlowPhase::RatchetFixing => StatusCode::FixingCiFailures,
        FlowPhase::RatchetVerify => StatusCode::CheckingPr,
        FlowPhase::Ready if input.ci_status == CiStatus::Success => StatusCode::ReadyToMerge,
        FlowPhase::Ready => StatusCode::ReadyForReview,
        FlowPhase::Merged => StatusCode::Merged,
    };
    Some(code)
}

/// The reason with its words, tone and column.
pub fn reason(input: &Input) -> StatusReason {
    describe(code(input))
}

/// What goes with a code.
///
/// | code | tone | needs the user | column |
/// |---|---|---|---|
/// | `ARCHIVING`; `ARCHIVED` | working; neutral | no | none |
/// | `MERGED`; `PR_CLOSED` | success; neutral | no | `DONE` |
/// | `NEEDS_…`, `RATCHET_STALLED`, `MERGE_CONFLICT` | attention | yes | `WAITING` |
/// | `SESSION_ERROR`, `SETUP_FAILED` | danger | yes | `WAITING` |
/// | `WAITING_FOR_CI` | waiting | no | `WORKING` |
/// | `READY_TO_MERGE` | success | yes | `WAITING` |
/// | `READY_FOR_REVIEW`, `NO_SESSION_STARTED`, `READY_FOR_NEXT_PROMPT` | neutral | yes | `WAITING` |
/// | the others | working | no | `WORKING` |
pub fn describe(code: StatusCode) -> StatusReason {
    use KanbanColumn::{Done, Waiting, Working};
    use StatusCode as C;
    let (label, tone, needs_user, column) = match code {
        C::Archiving => ("being archived", Tone::Working, false, None),
        C::Archived => ("archived", Tone::Neutral, false, None),
        C::Merged => ("merged", Tone::Success, false, Some(Done)),
        C::PrClosed => ("pull request closed", Tone::Neutral, false, Some(Done)),
        C::NeedsPermission => ("asks for permission", Tone::Attention, true, Some(Waiting)),
        C::NeedsPlanApproval => (
            "has a plan to approve",
            Tone::Attention,
            true,
            Some(Waiting),
        ),
        C::NeedsAnswer => ("has a question", Tone::Attention, true, Some(Waiting)),
        C::SessionError => ("a session failed", Tone::Danger, true, Some(Waiting)),
        C::SettingUp => ("being set up", Tone::Working, false, Some(Working)),
        C::SetupFailed => ("could not be set up", Tone::Danger, true, Some(Waiting)),
        C::AgentWorking => ("at work", Tone::Working, false, Some(Working)),
        C::StartingSession => ("starting a session", Tone::Working, false, Some(Working)),
        C::AutoIterating => ("iterating by itself", Tone::Working, false, Some(Working)),
        C::RatchetStalled => (
            "the ratchet got nowhere",
            Tone::Attention,
            true,
            Some(Waiting),
        ),
        C::FixingMergeConflict => ("resolving conflicts", Tone::Working, false, Some(Working)),
        C::MergeConflict => ("has merge conflicts", Tone::Attention, true, Some(Waiting)),
        C::WaitingForCi => ("checks are running", Tone::Waiting, false, Some(Working)),
        C::FixingReviewComments => ("answering reviews", Tone::Working, false, Some(Working)),
        C::FixingCiFailures => ("fixing checks", Tone::Working, false, Some(Working)),
        C::CheckingPr => (
            "looking at the pull request",
            Tone::Working,
            false,
            Some(Working),
        ),
        C::ReadyToMerge => ("can be merged", Tone::Success, true, Some(Waiting)),
        C::ReadyForReview => ("can be reviewed", Tone::Neutral, true, Some(Waiting)),
        C::NoSessionStarted => ("nothing was asked yet", Tone::Neutral, true, Some(Waiting)),
        C::ReadyForNextPrompt => ("waits for a prompt", Tone::Neutral, true, Some(Waiting)),
    };
    StatusReason {
        code,
        label: label.to_owned(),
        tone,
        needs_user,
        column,
    }
}
