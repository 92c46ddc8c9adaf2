//! Whether and when a VM that ended by itself is started again. Pure.

use std::time::Duration;

use super::failure::Cause;

/// Ends in a row after which it is left alone.
pub const MOST: u32 = 5;
/// A VM that ran for so long starts a new row.
pub const STABLE: Duration = Duration::from_secs(600);

/// What to do about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start it again after this time; the end is the n-th in a row.
    Again {
        /// Ends in a row, with this one.
        count: u32,
        /// Time until then.
        after: Duration,
    },
    /// It ends again and again.
    GiveUp,
}

/// Judges the end of a VM that ran for `ran` and had ended `before` times in a row.
pub fn judge(before: u32, ran: Duration) -> Next {
    let count = match ran >= STABLE {
        true => 1,
        false => before.saturating_add(1),
    };
    if count > MOST {
        return Next::GiveUp;
    }
    // The first at once, then 2, 4, 8, 16 s.
    let after = match count {
        1 => Duration::ZERO,
        n => Duration::from_secs(1 << (n - 1)),
    };
    Next::Again { count, after }
}

/// How a machine ended, as far as it can be told: the provider's flag may be missing where the
/// kernel killed only a child, and says nothing of an agent that ended for want of memory.
pub fn cause(gone: bool, out_of_memory: bool, exit_code: Option<i64>, was_full: bool) -> Cause {
    const KILLED: i64 = 128 + 9;
    match (gone, exit_code) {
        (true, _) => Cause::Removed,
        (false, Some(KILLED)) if out_of_memory || was_full => Cause::OutOfMemory,
        (false, _) => Cause::Exited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_and_then_gives_up() {
        let mut before = 0;
        let mut waits = Vec::new();
        while let Next::Again { count, after } = judge(before, Duration::ZERO) {
            waits.push(after.as_secs());
            before = count;
        }
        assert_eq!(waits, [0, 2, 4, 8, 16]);
        let again = Next::Again {
            count: 1,
            after: Duration::ZERO,
        };
        assert_eq!(judge(before, STABLE), again, "it had run long");
    }

    #[test]
    fn ends_are_told_apart() {
        assert_eq!(cause(true, true, Some(137), true), Cause::Removed);
        assert_eq!(cause(false, true, Some(137), false), Cause::OutOfMemory);
        assert_eq!(cause(false, false, Some(137), true), Cause::OutOfMemory);
        assert_eq!(cause(false, false, Some(137), false), Cause::Exited);
        assert_eq!(cause(false, true, Some(1), true), Cause::Exited);
        assert_eq!(cause(false, false, None, false), Cause::Exited);
    }
}
