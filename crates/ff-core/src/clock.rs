//! The one source of wall-clock time.

use chrono::SubsecRound;
use ff_protocol::Timestamp;

/// The time now, truncated to microseconds: every database keeps those, not all keep more.
pub fn now() -> Timestamp {
    chrono::Utc::now().trunc_subsecs(6)
}
