//! What has become of the fixer session that a workspace's record names.

use ff_protocol::session::SessionStatus;
use ff_protocol::workspace::RatchetDispatchOutcome::{self, Completed, Died};

/// What is known of the fixer session, where its row is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is of the provider that fixers are now to be of.
    pub right_provider: bool,
    /// Status of its row.
    pub status: SessionStatus,
    /// What its process does.
    pub process: Process,
}

/// What a fixer's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It is gone.
    Gone,
    /// It lives and no turn runs.
    Idle,
    /// It works.
    Working,
}

/// Where a fixer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Active,
    /// It has ended: to be settled, by whoever comes first.
    Ended {
        /// How.
        outcome: RatchetDispatchOutcome,
        /// Whether its session is to be stopped afterwards.
        stop: bool,
    },
}

/// Where the fixer stands, first match; asked only while the pull request is open:
///
/// | # | condition | result |
/// |---|---|---|
/// | 1 | its row is gone | `DIED` |
/// | 2 | it is of another provider than fixers are to be of | `DIED`, stop it |
/// | 3 | status `FAILED` | `DIED` |
/// | 4 | status not `RUNNING` | `COMPLETED` |
/// | 5 | its process is gone | `DIED` |
/// | 6 | its process is idle | `COMPLETED`, stop it |
/// | 7 | | active |
pub fn standing(seen: Option<Seen>) -> Standing {
    let ended = |outcome, stop| Standing::Ended { outcome, stop };
    let Some(seen) = seen else {
        return ended(Died, false);
    };
    match (seen.status, seen.process) {
        _ if !seen.right_provider => ended(Died, true),
        (SessionStatus::Failed, _) => ended(Died, false),
        (SessionStatus::Idle | SessionStatus::Completed, _) => ended(Completed, false),
        (SessionStatus::Running, Process::Gone) => ended(Died, false),
        (SessionStatus::Running, Process::Idle) => ended(Completed, true),
        (SessionStatus::Running, Process::Working) => Standing::Active,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const fn ended(outcome: RatchetDispatchOutcome, stop: bool) -> Standing {
        Standing::Ended { outcome, stop }
    }

    #[rstest]
    #[case::row_2(false, SessionStatus::Running, Process::Working, ended(Died, true))]
    #[case::row_3(true, SessionStatus::Failed, Process::Gone, ended(Died, false))]
    #[case::row_4_idle(true, SessionStatus::Idle, Process::Gone, ended(Completed, false))]
    #[case::row_4_completed(true, SessionStatus::Completed, Process::Gone, ended(Completed, false))]
    #[case::row_5(true, SessionStatus::Running, Process::Gone, ended(Died, false))]
    #[case::row_6(true, SessionStatus::Running, Process::Idle, ended(Completed, true))]
    #[case::row_7(true, SessionStatus::Running, Process::Working, Standing::Active)]
    fn each_row(
        #[case] right_provider: bool,
        #[case] status: SessionStatus,
        #[case] process: Process,
        #[case] expected: Standing,
    ) {
        let seen = Seen {
            right_provider,
            status,
            process,
        };
        assert_eq!(standing(Some(seen)), expected);
    }

    #[test]
    fn row_1() {
        assert_eq!(standing(None), ended(Died, false));
    }
}
