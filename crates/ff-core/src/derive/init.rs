//! What follows from how far the making of a workspace has come.

use ff_protocol::derived::{Banner, BannerKind, DispatchPolicy, InitPhase, InitPolicy};
use ff_protocol::workspace::WorkspaceStatus;

/// What the policy follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// Life of the workspace.
    pub status: WorkspaceStatus,
    /// Its worktree; a blank path is none.
    pub worktree_path: Option<&'a str>,
    /// What went wrong in its making; an empty text is nothing.
    pub init_error_message: Option<&'a str>,
}

impl Input<'_> {
    fn has_worktree(&self) -> bool {
        self.worktree_path
            .is_some_and(|path| !path.trim().is_empty())
    }

    fn has_warning(&self) -> bool {
        self.init_error_message.is_some_and(|text| !text.is_empty())
    }
}

/// The policy:
///
/// | status | worktree | error text | phase | messages | banner |
/// |---|---|---|---|---|---|
/// | `ARCHIVING`, `ARCHIVED` | | | `ARCHIVED` | blocked | none |
/// | `NEW` | | | `CREATING_WORKTREE` | blocked | info |
/// | `PROVISIONING` | no | | `CREATING_WORKTREE` | blocked | info |
/// | `PROVISIONING` | yes | | `RUNNING_INIT_SCRIPT` | blocked | info |
/// | `FAILED`, `READY` | no | | `BLOCKED_FAILED` | blocked | error: retry |
/// | `FAILED` | yes | | `READY_WITH_WARNING` | by hand | warning: retry, play |
/// | `READY` | yes | yes | `READY_WITH_WARNING` | allowed | warning: retry, dismiss |
/// | `READY` | yes | no | `READY` | allowed | none |
pub fn policy(input: Input<'_>) -> InitPolicy {
    use WorkspaceStatus as S;
    match (input.status, input.has_worktree()) {
        (S::Archiving | S::Archived, _) => blocked(InitPhase::Archived, None),
        (S::New, _) | (S::Provisioning, false) => {
            blocked(InitPhase::CreatingWorktree, Some(banner(BannerKind::Info)))
        }
        (S::Provisioning, true) => {
            blocked(InitPhase::RunningInitScript, Some(banner(BannerKind::Info)))
        }
        (S::Failed | S::Ready, false) => {
            let banner = Banner {
                show_retry: true,
                ..banner(BannerKind::Error)
            };
            blocked(InitPhase::BlockedFailed, Some(banner))
        }
        (S::Failed, true) => InitPolicy {
            phase: InitPhase::ReadyWithWarning,
            dispatch_policy: DispatchPolicy::ManualResume,
            banner: Some(Banner {
                show_retry: true,
                show_play: true,
                ..banner(BannerKind::Warning)
            }),
        },
        (S::Ready, true) if input.has_warning() => InitPolicy {
            phase: InitPhase::ReadyWithWarning,
            dispatch_policy: DispatchPolicy::Allowed,
            banner: Some(Banner {
                show_retry: true,
                show_dismiss: true,
                ..banner(BannerKind::Warning)
            }),
        },
        (S::Ready, true) => InitPolicy {
            phase: InitPhase::Ready,
            dispatch_policy: DispatchPolicy::Allowed,
            banner: None,
        },
    }
}

fn blocked(phase: InitPhase, banner: Option<Banner>) -> InitPolicy {
    InitPolicy {
        phase,
        dispatch_policy: DispatchPolicy::Blocked,
        banner,
    }
}

fn banner(kind: BannerKind) -> Banner {
    Banner {
        kind,
        show_retry: false,
        show_play: false,
        show_dismiss: false,
    }
}

/// How a workspace may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// `FAILED -> NEW`, then everything.
    FromNew,
    /// `FAILED -> PROVISIONING`, with the worktree there is.
    WithWorktree,
    /// `READY -> PROVISIONING`, only the scripts.
    ScriptsOnly,
}

/// How a workspace may be made again, if it may:
///
/// | status | worktree | error text | retry |
/// |---|---|---|---|
/// | `FAILED` | no | | from `NEW` |
/// | `FAILED` | yes | | with the worktree there is |
/// | `READY` | yes | yes | only the scripts |
/// | other | | | none |
///
/// `READY` without a worktree has a banner that offers it all the same, as in the original; there
/// the offer is refused.
pub fn retry(input: Input<'_>) -> Option<Retry> {
    match (input.status, input.has_worktree()) {
        (WorkspaceStatus::Failed, false) => Some(Retry::FromNew),
        (WorkspaceStatus::Failed, true) => Some(Retry::WithWorktree),
        (WorkspaceStatus::Ready, true) if input.has_warning() => Some(Retry::ScriptsOnly),
        _ => None,
    }
}
