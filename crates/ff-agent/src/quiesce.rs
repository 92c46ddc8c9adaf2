//! The quiesce: from its answer on the agent executes nothing that changes anything.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ff_core::activity::{CloseRefused, Permits};
use ff_core::clock;
use ff_engine::ApiError;
use ff_protocol::agent::{Cause, Health, Quiesce, Quiesced, SuspendTier};
use ff_protocol::{ErrorCode, Timestamp};

use crate::activity::Activity;

/// A quiesce lasts an hour at most; its server renews it.
const LONGEST_TTL: u32 = 3600;
const LONGEST_ID: usize = 64;
/// Causes named in a refusal.
const NAMED: usize = 5;

/// What a quiesce works on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sleep {
    pub(crate) permits: Permits,
    pub(crate) activity: Activity,
}

/// Closes the gate first and looks then, so that nothing begins in between.
pub(crate) async fn quiesce(
    State(sleep): State<Sleep>,
    quiesce: Result<Json<Quiesce>, JsonRejection>,
) -> Result<Json<Quiesced>, ApiError> {
    let Json(quiesce) =
        quiesce.map_err(|rejection| ApiError::new(ErrorCode::BadRequest, rejection.body_text()))?;
    check(&quiesce)?;
    let ttl = Duration::from_secs(quiesce.ttl_seconds.into());
    let permits = &sleep.permits;
    let renews = permits.closed().as_ref() == Some(&quiesce.id);
    permits.close(&quiesce.id, ttl).map_err(not_closed)?;
    // Without a verdict, as when whoever asks goes away meanwhile, it is as it was before.
    let begun = Begun::new(permits, (!renews).then_some(&quiesce.id));
    let health = sleep.activity.look().await?;
    if let Some(why) = refusal(&quiesce, &health, clock::now()) {
        permits.open(&quiesce.id);
        return Err(ApiError::new(ErrorCode::Busy, why));
    }
    begun.stay();
    tracing::info!(id = %quiesce.id, tier = ?quiesce.tier, "quiesced");
    Ok(Json(Quiesced {
        holding: health.holding,
        next_wake_at: health.next_wake_at,
    }))
}

pub(crate) async fn release(State(sleep): State<Sleep>, Path(id): Path<String>) -> StatusCode {
    if sleep.permits.open(&id) {
        tracing::info!("released");
    }
    StatusCode::NO_CONTENT
}

/// Opens the gate again if it was closed under this id, unless it is to stay.
struct Begun<'a> {
    permits: &'a Permits,
    id: Option<&'a String>,
}

impl<'a> Begun<'a> {
    fn new(permits: &'a Permits, id: Option<&'a String>) -> Self {
        Self { permits, id }
    }

    fn stay(mut self) {
        self.id = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.permits.open(id);
        }
    }
}

fn check(quiesce: &Quiesce) -> Result<(), ApiError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let id = &quiesce.id;
    if !(1..=LONGEST_ID).contains(&id.len()) || !id.bytes().all(is_word) {
        let detail = format!("an id has 1 to {LONGEST_ID} letters, digits, `-` or `_`");
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    }
    if !(1..=LONGEST_TTL).contains(&quiesce.ttl_seconds) {
        let detail = format!("ttlSeconds is 1 to {LONGEST_TTL}");
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    }
    Ok(())
}

fn not_closed(refused: CloseRefused) -> ApiError {
    let why = match refused {
        CloseRefused::Out(causes) => format!("the VM works: {}", named(&causes)),
        CloseRefused::Other(id) => format!("another quiesce is in force: {id}"),
    };
    ApiError::new(ErrorCode::Busy, why)
}

/// Why the VM may not sleep so deep now, if it may not.
fn refusal(quiesce: &Quiesce, health: &Health, now: Timestamp) -> Option<String> {
    if !health.working.is_empty() {
        return Some(format!("the VM works: {}", named(&health.working)));
    }
    // A clock that was set back makes it quiet for no time.
    let quiet = (now - health.last_active_at).to_std().unwrap_or_default();
    if quiet < Duration::from_secs(quiesce.idle_seconds) {
        let (quiet, wanted) = (quiet.as_secs(), quiesce.idle_seconds);
        return Some(format!(
            "the VM worked {quiet} s ago, and {wanted} s of quiet are asked for"
        ));
    }
    if quiesce.tier == SuspendTier::Stopped && !quiesce.let_go && !health.holding.is_empty() {
        let held = named(&health.holding);
        return Some(format!("a stop would end what is open: {held}"));
    }
    None
}

fn named(causes: &[Cause]) -> String {
    let names: Vec<String> = causes.iter().take(NAMED).map(word).collect();
    let more = causes.len().saturating_sub(NAMED);
    let text = names.join(", ");
    match more {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

fn word(cause: &Cause) -> String {
    let kind = serde_json::to_value(cause.kind).unwrap_or_default();
    let kind = kind.as_str().unwrap_or("other").replace('_', " ");
    format!("{kind} ({})", cause.name)
}

#[cfg(test)]
mod tests {
    use ff_protocol::agent::CauseKind;

    use super::*;

    fn cause(kind: CauseKind, name: &str) -> Cause {
        Cause {
            kind,
            name: name.into(),
            since: clock::now(),
        }
    }

    fn asked(tier: SuspendTier, idle_seconds: u64, let_go: bool) -> Quiesce {
        Quiesce {
            id: "q1".into(),
            tier,
            ttl_seconds: 30,
            idle_seconds,
            let_go,
        }
    }

    fn health(now: Timestamp) -> Health {
        Health {
            vm_id: "vm-1".parse().unwrap(),
            working: Vec::new(),
            holding: Vec::new(),
            last_active_at: now - Duration::from_secs(60),
            uptime_seconds: 100,
            quiesced: None,
            next_wake_at: None,
            notices: Vec::new(),
            login_required: None,
        }
    }

    #[test]
    fn work_refuses_both_tiers_and_is_named() {
        use SuspendTier::{Frozen, Stopped};
        let now = clock::now();
        let mut busy = health(now);
        let names = ["make in terminal 1", "b", "c", "d", "e", "f", "g"];
        busy.working = names.map(|name| cause(CauseKind::Process, name)).into();
        for tier in [Frozen, Stopped] {
            let why = refusal(&asked(tier, 0, true), &busy, now).unwrap();
            assert!(why.contains("process (make in terminal 1)"), "{why}");
            assert!(why.ends_with("and 2 more"), "{why}");
        }
    }

    #[test]
    fn too_short_a_quiet_refuses() {
        let now = clock::now();
        let frozen = |idle| refusal(&asked(SuspendTier::Frozen, idle, false), &health(now), now);
        assert_eq!(frozen(60), None);
        assert!(frozen(61).unwrap().contains("60 s ago"));
        let mut ahead = health(now);
        ahead.last_active_at = now + Duration::from_secs(5);
        assert!(refusal(&asked(SuspendTier::Frozen, 1, false), &ahead, now).is_some());
        assert!(refusal(&asked(SuspendTier::Frozen, 0, false), &ahead, now).is_none());
    }

    #[test]
    fn what_holds_refuses_only_a_stop_that_does_not_let_go() {
        use SuspendTier::{Frozen, Stopped};
        let now = clock::now();
        let mut open = health(now);
        open.holding = vec![cause(CauseKind::Foreground, "vim in terminal 1")];
        assert_eq!(refusal(&asked(Frozen, 0, false), &open, now), None);
        assert_eq!(refusal(&asked(Stopped, 0, true), &open, now), None);
        let why = refusal(&asked(Stopped, 0, false), &open, now).unwrap();
        assert!(why.contains("foreground (vim in terminal 1)"), "{why}");
    }

    #[test]
    fn ids_and_times_beyond_reason_are_refused() {
        let with = |id: &str, ttl_seconds| Quiesce {
            id: id.into(),
            ttl_seconds,
            ..asked(SuspendTier::Frozen, 0, false)
        };
        assert!(check(&with("q-1", 1)).is_ok());
        for (id, ttl) in [("", 1), ("a/b", 1), ("q", 0), ("q", 3601)] {
            assert!(check(&with(id, ttl)).is_err(), "{id} {ttl}");
        }
        assert!(check(&with(&"q".repeat(65), 1)).is_err());
    }
}
