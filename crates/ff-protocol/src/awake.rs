//! Why a VM is awake, what keeps it so, and what it did.

use serde::{Deserialize, Serialize};

use crate::agent::{Cause, SuspendTier};
use crate::{LeaseId, Timestamp, VmId};

/// Why a VM is awake, and when it will sleep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awake {
    /// What works: while there is any, it does not sleep.
    pub working: Vec<Cause>,
    /// What may be frozen, and is stopped only after the holding limit.
    pub holding: Vec<Cause>,
    /// Its leases.
    pub leases: Vec<Lease>,
    /// When it sleeps if nothing more happens, the next first; empty while something works.
    pub sleeps: Vec<Sleep>,
    /// The same in one sentence.
    pub why: String,
}

/// A sleep to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sleep {
    /// How deep.
    pub tier: SuspendTier,
    /// When.
    pub at: Timestamp,
}

/// A promise to keep a VM awake, with an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The VM it keeps awake.
    pub vm_id: VmId,
    /// What for, in the user's words.
    pub name: String,
    /// Its end.
    pub expires_at: Timestamp,
    /// Seconds that were asked for, where that was more than a lease may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamped_from_seconds: Option<u64>,
}

/// `POST /api/vms/{id}/leases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateLease {
    /// What for, in the user's words.
    #[serde(default)]
    pub name: Option<String>,
    /// How long.
    pub seconds: u64,
}

/// `POST /api/vms/{id}/suspend`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuspendVm {
    /// How deep.
    pub tier: SuspendTier,
}

/// What a VM did over a time, as `GET /api/vms/{id}/usage` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageInterval {
    /// What it did.
    pub kind: UsageKind,
    /// Why it woke: `user`, `schedule` or `restart`; for what is awake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Its begin.
    pub started_at: Timestamp,
    /// Its end; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// What a VM does, for its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageKind {
    /// It runs.
    Awake,
    /// It has memory and no CPU.
    Frozen,
    /// It has its home and nothing else.
    Stopped,
}
