//! The life of a workspace on the machine that holds it, as a pure table.
//!
//! | from | to | when | what else is written |
//! |---|---|---|---|
//! | `NEW` | `PROVISIONING` | its making starts | init begins |
//! | `FAILED` | `PROVISIONING` | tried again, the worktree is there | init begins, one retry |
//! | `READY` | `PROVISIONING` | its set-up scripts are tried again | init begins, one retry |
//! | `FAILED` | `NEW` | tried again, there is no worktree | init is forgotten, one retry |
//! | `PROVISIONING` | `READY` | made; perhaps with a warning | init ends |
//! | `PROVISIONING` | `FAILED` | not made | init ends |
//! | `READY`, `FAILED` | `ARCHIVING` | archived | where it came from |
//! | `ARCHIVING` | `ARCHIVED` | put away | |
//! | `ARCHIVING` | `READY`, `FAILED` | archiving was given up | |
//!
//! `ARCHIVED` is the end; every other change is refused. A retry is made at most
//! [`MAX_RETRIES`] times. Times of the init are not touched by archiving.

use ff_protocol::workspace::WorkspaceStatus::{
    self, Archived, Archiving, Failed, New, Provisioning, Ready,
};
use ff_protocol::{ErrorCode, WorkspaceId};

use crate::error::Error;

/// Times that the making of a workspace may be tried again.
pub const MAX_RETRIES: i64 = 3;

/// What a change does to the record of the init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitWrite {
    /// It began now; earlier errors are forgotten.
    Begin,
    /// Nothing is known of it any more.
    Forget,
    /// It ended now.
    End,
    /// It stays as it is.
    Keep,
}

/// A change that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it does to the record of the init.
    pub init: InitWrite,
    /// Whether it is one of the retries that are counted.
    pub retry: bool,
}

/// The rule of a change; `None` when there is no such change.
pub fn rule(from: WorkspaceStatus, to: WorkspaceStatus) -> Option<Rule> {
    let (init, retry) = match (from, to) {
        (New, Provisioning) => (InitWrite::Begin, false),
        (Failed | Ready, Provisioning) => (InitWrite::Begin, true),
        (Failed, New) => (InitWrite::Forget, true),
        (Provisioning, Ready | Failed) => (InitWrite::End, false),
        (Ready | Failed, Archiving) => (InitWrite::Keep, false),
        (Archiving, Archived | Ready | Failed) => (InitWrite::Keep, false),
        _ => return None,
    };
    Some(Rule { init, retry })
}

/// A change that was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// There is no such change.
    #[error("workspace {workspace} cannot go from {} to {}", name(*from), name(*to))]
    Illegal {
        /// Whose.
        workspace: WorkspaceId,
        /// The status it has.
        from: WorkspaceStatus,
        /// The status it was to have.
        to: WorkspaceStatus,
    },
    /// It had another status when it came to that.
    #[error("workspace {workspace} changed concurrently: it is {}, no longer {}", name(*found), name(*from))]
    Changed {
        /// Whose.
        workspace: WorkspaceId,
        /// The status it was thought to have.
        from: WorkspaceStatus,
        /// The status it was to have.
        to: WorkspaceStatus,
        /// The status it has.
        found: WorkspaceStatus,
    },
    /// It was tried again as often as it may.
    #[error("workspace {workspace} was tried again {MAX_RETRIES} times already")]
    RetriesUsed {
        /// Whose.
        workspace: WorkspaceId,
    },
}

impl From<TransitionError> for Error {
    fn from(error: TransitionError) -> Self {
        let (code, hint) = match &error {
            TransitionError::Illegal { .. } => (ErrorCode::Conflict, None),
            TransitionError::Changed { .. } => (
                ErrorCode::Conflict,
                Some("look at it with `ff workspace show`, then try again"),
            ),
            TransitionError::RetriesUsed { .. } => (
                ErrorCode::LimitReached,
                Some("archive it with `ff workspace archive`, and make another"),
            ),
        };
        let refused = Self::refused(code, error.to_string());
        match hint {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    }
}

/// A status as it is written.
pub(crate) fn name(status: WorkspaceStatus) -> &'static str {
    match status {
        New => "NEW",
        Provisioning => "PROVISIONING",
        Ready => "READY",
        Failed => "FAILED",
        Archiving => "ARCHIVING",
        Archived => "ARCHIVED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const ALL: [WorkspaceStatus; 6] =
        [New, Provisioning, Ready, Failed, Archiving, Archived];

    #[test]
    fn every_pair_is_legal_or_not_as_the_table_says() {
        let legal = [
            (New, Provisioning, InitWrite::Begin, false),
            (Failed, Provisioning, InitWrite::Begin, true),
            (Ready, Provisioning, InitWrite::Begin, true),
            (Failed, New, InitWrite::Forget, true),
            (Provisioning, Ready, InitWrite::End, false),
            (Provisioning, Failed, InitWrite::End, false),
            (Ready, Archiving, InitWrite::Keep, false),
            (Failed, Archiving, InitWrite::Keep, false),
            (Archiving, Archived, InitWrite::Keep, false),
            (Archiving, Ready, InitWrite::Keep, false),
            (Archiving, Failed, InitWrite::Keep, false),
        ];
        let mut met = 0;
        for from in ALL {
            for to in ALL {
                let expected = legal.iter().find(|row| (row.0, row.1) == (from, to));
                let expected = expected.map(|&(_, _, init, retry)| Rule { init, retry });
                assert_eq!(rule(from, to), expected, "{from:?} to {to:?}");
                met += usize::from(expected.is_some());
            }
        }
        assert_eq!(met, legal.len());
    }

    #[test]
    fn there_are_three_retries_as_in_the_original() {
        assert_eq!(MAX_RETRIES, 3);
    }

    #[test]
    fn names_are_those_of_the_wire() {
        for status in ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), name(status));
        }
    }
}
