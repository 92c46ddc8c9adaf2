//! The one place that reads the time of day.

use chrono::SubsecRound;
use ff_protocol::Timestamp;

/// Now, truncated to microseconds: what every database keeps.
pub fn now() -> Timestamp {
    chrono::Utc::now().trunc_subsecs(6)
}
