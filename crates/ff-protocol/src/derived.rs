//! What is derived from the records of a workspace and never stored: names on the wire.
//!
//! The rules themselves are in `ff-core::derive`. Names are those of the original application.

use serde::{Deserialize, Serialize};

/// What the ratchet sees in a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum RatchetState {
    Idle,
    CiRunning,
    CiFailed,
    MergeConflict,
    ReviewPending,
    Ready,
    Merged,
}

/// Where a workspace is on the way from a branch to a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum FlowPhase {
    NoPr,
    CiWait,
    RatchetFixing,
    RatchetVerify,
    Ready,
    Merged,
}

/// What is known of the checks. `NoChecks` and `ChecksUnknown` have names in the original but no
/// valid input leads to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum CiObservation {
    NotFetched,
    NoChecks,
    ChecksPending,
    ChecksFailed,
    ChecksPassed,
    ChecksUnknown,
}

/// The flow of a workspace, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowState {
    /// Where it is.
    pub phase: FlowPhase,
    /// What is known of the checks.
    pub ci_observation: CiObservation,
    /// Whether something goes on without the user: checks run, or the ratchet acts.
    pub is_working: bool,
    /// Whether the ratchet's button moves.
    pub should_animate_ratchet_button: bool,
    /// Whether there is a pull request that is neither merged nor closed.
    pub has_active_pr: bool,
}

/// Column of the board. A workspace that is archived has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum KanbanColumn {
    Working,
    Waiting,
    Done,
}

/// How a status is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Tone {
    Working,
    Waiting,
    Attention,
    Danger,
    Success,
    Neutral,
}

/// Why a workspace stands where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum StatusCode {
    Archiving,
    Archived,
    Merged,
    PrClosed,
    NeedsPermission,
    NeedsPlanApproval,
    NeedsAnswer,
    SessionError,
    SettingUp,
    SetupFailed,
    AgentWorking,
    StartingSession,
    AutoIterating,
    RatchetStalled,
    FixingMergeConflict,
    MergeConflict,
    WaitingForCi,
    FixingReviewComments,
    FixingCiFailures,
    CheckingPr,
    ReadyToMerge,
    ReadyForReview,
    NoSessionStarted,
    ReadyForNextPrompt,
}

/// A status code with all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReason {
    /// The reason.
    pub code: StatusCode,
    /// The reason in words.
    pub label: String,
    /// How to show it.
    pub tone: Tone,
    /// Whether it waits for the user.
    pub needs_user: bool,
    /// The column it stands in; none when archived.
    pub column: Option<KanbanColumn>,
}

/// What a session waits for the user with, in the order of [`Ord`]: the smallest is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PendingRequest {
    PlanApproval,
    UserQuestion,
    PermissionRequest,
}

/// State of the checks in the side bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum SidebarCi {
    None,
    Merged,
    Closed,
    Conflict,
    Passing,
    Failing,
    Running,
    Unknown,
}

/// How far the making of a workspace has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum InitPhase {
    CreatingWorktree,
    RunningInitScript,
    Ready,
    ReadyWithWarning,
    BlockedFailed,
    Archived,
}

/// Whether messages that wait may go to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchPolicy {
    /// They may not.
    Blocked,
    /// They may once the user says so.
    ManualResume,
    /// They may.
    Allowed,
}

/// Kind of a banner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum BannerKind {
    Info,
    Warning,
    Error,
}

/// What to show above a workspace whose making is not plainly done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Banner {
    /// Its kind.
    pub kind: BannerKind,
    /// Offers to try again.
    pub show_retry: bool,
    /// Offers to let the messages go that wait.
    pub show_play: bool,
    /// Offers to put it away.
    pub show_dismiss: bool,
}

/// What follows from how far the making of a workspace has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitPolicy {
    /// How far it has come.
    pub phase: InitPhase,
    /// Whether messages may go to a session.
    pub dispatch_policy: DispatchPolicy,
    /// What to show.
    pub banner: Option<Banner>,
}
