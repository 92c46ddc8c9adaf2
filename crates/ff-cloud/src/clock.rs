//! The one place that reads the time of day.

use chrono::SubsecRound;
use ff_protocol::Timestamp;

/// Now, truncated to microseconds: what every database keeps.
pub fn now() -> Timestamp {
    truncated(chrono::Utc::now())
}

/// A time from elsewhere, truncated to microseconds.
pub fn truncated(time: Timestamp) -> Timestamp {
    time.trunc_subsecs(6)
}
