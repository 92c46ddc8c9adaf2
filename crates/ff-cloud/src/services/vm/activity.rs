//! When a VM sleeps. Pure.
//!
//! What works blocks both tiers, and so does a lease. What merely holds may be frozen, and is
//! stopped only after its own, longer limit. Time counts from when something last worked.

use std::time::Duration;

use chrono::TimeDelta;
use ff_protocol::Timestamp;
use ff_protocol::agent::{Cause, SuspendTier};
use ff_protocol::awake::Sleep;

/// The operator's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Idle for so long, a VM is frozen; never without.
    pub freeze_after: Option<Duration>,
    /// Idle for so long, it is stopped; never without.
    pub stop_after: Option<Duration>,
    /// The same while something holds.
    pub stop_holding_after: Option<Duration>,
}

/// What is known of a VM.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What works.
    pub working: &'a [Cause],
    /// What holds.
    pub holding: &'a [Cause],
    /// End of its last lease.
    pub leased_until: Option<Timestamp>,
    /// When something last worked.
    pub last_active: Timestamp,
}

/// The sleeps to come if nothing more happens, the first first; none while something works.
pub fn plan(idle: Idle, seen: Seen<'_>) -> Vec<Sleep> {
    if !seen.working.is_empty() {
        return Vec::new();
    }
    let at = |after: Duration| {
        let after = TimeDelta::from_std(after).unwrap_or(TimeDelta::MAX);
        let at = seen.last_active.checked_add_signed(after)?;
        Some(seen.leased_until.map_or(at, |end| at.max(end)))
    };
    let stop_after = match seen.holding.is_empty() {
        true => idle.stop_after,
        false => idle.stop_after.and(idle.stop_holding_after),
    };
    let freeze = idle.freeze_after.and_then(at).map(|at| Sleep {
        tier: SuspendTier::Frozen,
        at,
    });
    let stop = stop_after.and_then(at).map(|at| Sleep {
        tier: SuspendTier::Stopped,
        at,
    });
    match (freeze, stop) {
        (Some(freeze), Some(stop)) if freeze.at < stop.at => vec![freeze, stop],
        (_, Some(stop)) => vec![stop],
        (freeze, None) => freeze.into_iter().collect(),
    }
}

/// The deepest sleep that is due.
pub fn due(plan: &[Sleep], now: Timestamp) -> Option<SuspendTier> {
    let mut due = plan.iter().rev().filter(|sleep| sleep.at <= now);
    due.next().map(|sleep| sleep.tier)
}

/// Causes in one line, for people.
pub fn names(causes: &[Cause]) -> String {
    let names: Vec<&str> = causes.iter().map(|cause| cause.name.as_str()).collect();
    names.join(", ")
}

/// Why a VM is awake, in one sentence.
pub fn why(seen: Seen<'_>, plan: &[Sleep]) -> String {
    if !seen.working.is_empty() {
        return format!("working: {}", names(seen.working));
    }
    let next = plan.first().map_or_else(
        || "it does not sleep by itself".to_owned(),
        |sleep| {
            let how = match sleep.tier {
                SuspendTier::Frozen => "frozen",
                SuspendTier::Stopped => "stopped",
            };
            format!("it is {how} at {}", sleep.at.format("%FT%TZ"))
        },
    );
    match (seen.leased_until, seen.holding.is_empty()) {
        (Some(end), _) => format!("leased until {}; {next}", end.format("%FT%TZ")),
        (None, false) => format!("holding: {}; {next}", names(seen.holding)),
        (None, true) => format!("nothing works in it; {next}"),
    }
}

#[cfg(test)]
mod tests {
    use ff_protocol::agent::CauseKind;
    use rstest::rstest;

    use super::*;
    use crate::clock;

    const IDLE: Idle = Idle {
        freeze_after: Some(Duration::from_secs(600)),
        stop_after: Some(Duration::from_secs(7200)),
        stop_holding_after: Some(Duration::from_secs(43200)),
    };

    fn some() -> Vec<Cause> {
        vec![Cause {
            kind: CauseKind::Other,
            name: "vim".to_owned(),
            since: clock::now(),
        }]
    }

    fn seconds(plan: &[Sleep], from: Timestamp) -> Vec<(SuspendTier, i64)> {
        plan.iter()
            .map(|sleep| (sleep.tier, (sleep.at - from).num_seconds()))
            .collect()
    }

    use SuspendTier::{Frozen, Stopped};

    #[rstest]
    #[case::idle(IDLE, false, None, &[(Frozen, 600), (Stopped, 7200)])]
    #[case::holding(IDLE, true, None, &[(Frozen, 600), (Stopped, 43200)])]
    #[case::leased(IDLE, false, Some(3600), &[(Frozen, 3600), (Stopped, 7200)])]
    #[case::leased_long(IDLE, true, Some(90000), &[(Stopped, 90000)])]
    #[case::never_frozen(Idle { freeze_after: None, ..IDLE }, false, None, &[(Stopped, 7200)])]
    #[case::never_stopped(Idle { stop_after: None, ..IDLE }, true, None, &[(Frozen, 600)])]
    #[case::held_for_ever(Idle { stop_holding_after: None, ..IDLE }, true, None, &[(Frozen, 600)])]
    #[case::stopped_first(Idle { stop_after: Some(Duration::from_secs(60)), ..IDLE }, false, None,
        &[(Stopped, 60)])]
    fn sleeps_come_in_their_order(
        #[case] idle: Idle,
        #[case] holds: bool,
        #[case] leased: Option<i64>,
        #[case] expected: &[(SuspendTier, i64)],
    ) {
        let now = clock::now();
        let holding = if holds { some() } else { Vec::new() };
        let seen = Seen {
            working: &[],
            holding: &holding,
            leased_until: leased.map(|s| now + TimeDelta::seconds(s)),
            last_active: now,
        };
        let plan = plan(idle, seen);
        assert_eq!(seconds(&plan, now), expected);
        for (tier, at) in expected {
            let just_before = now + TimeDelta::seconds(at - 1);
            assert_ne!(due(&plan, just_before), Some(*tier));
            assert_eq!(due(&plan, now + TimeDelta::seconds(*at)), Some(*tier));
        }
    }

    #[test]
    fn what_works_never_sleeps() {
        let then = clock::now() - TimeDelta::days(30);
        let working = some();
        let seen = Seen {
            working: &working,
            holding: &working,
            leased_until: None,
            last_active: then,
        };
        assert_eq!(plan(IDLE, seen), []);
        assert_eq!(why(seen, &[]), "working: vim");
    }
}
