//! States of a run script, as a pure table.
//!
//! | from | to | when |
//! |---|---|---|
//! | `IDLE`, `COMPLETED`, `FAILED` | `STARTING` | it is started |
//! | `STARTING` | `RUNNING` | its process runs |
//! | `STARTING` | `FAILED` | it could not be started |
//! | `STARTING` | `COMPLETED` | it ended well before it was seen to run |
//! | `RUNNING` | `COMPLETED` | it ended with exit code 0 |
//! | `RUNNING` | `FAILED` | it ended otherwise |
//! | `STARTING`, `RUNNING` | `STOPPING` | it is stopped |
//! | `STOPPING` | `IDLE` | it has ended |
//! | `COMPLETED`, `FAILED` | `IDLE` | it is stopped though it has ended |
//! | `STARTING`, `RUNNING`, `STOPPING` | `IDLE` | its engine is gone, and another one ended it |

use ff_protocol::workspace::RunScriptStatus::{
    self, Completed, Failed, Idle, Running, Starting, Stopping,
};

/// Whether a run script may go from one state to another.
pub(crate) fn allows(from: RunScriptStatus, to: RunScriptStatus) -> bool {
    matches!(
        (from, to),
        (Idle | Completed | Failed, Starting)
            | (Starting, Running | Failed | Completed | Stopping)
            | (Running, Completed | Failed | Stopping)
            | (Stopping | Completed | Failed | Starting | Running, Idle)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_allowed_or_not_as_the_table_says() {
        let all = [Idle, Starting, Running, Stopping, Completed, Failed];
        let legal = [
            (Idle, Starting),
            (Completed, Starting),
            (Failed, Starting),
            (Starting, Running),
            (Starting, Failed),
            (Starting, Completed),
            (Starting, Stopping),
            (Starting, Idle),
            (Running, Completed),
            (Running, Failed),
            (Running, Stopping),
            (Running, Idle),
            (Stopping, Idle),
            (Completed, Idle),
            (Failed, Idle),
        ];
        for from in all {
            for to in all {
                let expected = legal.contains(&(from, to));
                assert_eq!(allows(from, to), expected, "{from:?} to {to:?}");
            }
        }
    }
}
