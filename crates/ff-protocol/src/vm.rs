//! VMs.

use serde::{Deserialize, Serialize};

use crate::agent::Notice;
use crate::awake::Awake;
use crate::limits::VmLimits;
use crate::{Timestamp, UserId, VmId};

/// Where a VM stands in its life. `docs/ARCHITECTURE.md` draws the transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VmState {
    /// Created ahead of need, owned by nobody.
    Pooled,
    /// Its container is being made.
    Provisioning,
    /// Its agent answers.
    Running,
    /// Being quiesced, before it sleeps.
    Suspending,
    /// Asleep in memory.
    Frozen,
    /// Asleep on disk: the container is stopped, never removed.
    Stopped,
    /// Waking up, or being rebuilt on its volume.
    Resuming,
    /// Could not be made or kept alive; see `reason`.
    Failed,
    /// Being removed with its volume.
    Terminating,
    /// Gone; only the row is left.
    Terminated,
}

/// `POST /api/vms`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateVm {
    /// The VM's user (`--dev`; with keys the user is the key's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// A VM as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vm {
    /// The VM's id.
    pub id: VmId,
    /// Its user.
    pub user_id: UserId,
    /// Where it stands.
    pub state: VmState,
    /// Stable code of `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Why it is in that state, where there is something to say: the code and a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The provider's name for the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Image it was made from.
    pub image: String,
    /// When its row was made.
    pub created_at: Timestamp,
    /// When its agent last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health_check: Option<Timestamp>,
    /// Last time something worked in it, as its agent reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<Timestamp>,
    /// Its limits, and whether they are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<VmLimits>,
    /// Why it is awake and when it will sleep; only where one VM is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awake: Option<Awake>,
    /// When it wakes by itself for scheduled work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wake_at: Option<Timestamp>,
    /// What happened in it that its user should know, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// Set while its sessions wait for the user to log in to Claude again, as its agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_required: Option<LoginRequired>,
}

/// `GET /api/pool`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// How many VMs it should hold.
    pub size: u32,
    /// How many are ready.
    pub ready: u32,
    /// How many are being made.
    pub making: u32,
    /// Age of the oldest one that is ready, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
    /// VMs taken from it since this server started.
    pub claims: u64,
    /// Times a VM was wanted and none was ready, since this server started.
    pub misses: u64,
    /// VMs that could not be made, since this server started.
    pub failures: u64,
    /// When it tries again, after failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// `GET /api/vms/{id}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VmLogs {
    /// What the VM's agent wrote, oldest line first.
    pub lines: Vec<String>,
}

/// One login inside a VM; never a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Whether there is a usable login.
    pub logged_in: bool,
    /// Account name, where the tool tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Set while sessions wait for the user to log in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_required: Option<LoginRequired>,
}

/// A login that was shown not to work, and that only its user can bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginRequired {
    /// When it was first seen.
    pub since: Timestamp,
    /// What showed it, for people; never a token.
    pub reason: String,
}

/// `user.name` and `user.email` of git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitIdentity {
    /// `user.name`.
    pub name: String,
    /// `user.email`.
    pub email: String,
}

impl GitIdentity {
    /// Whether a text is an address as git takes one: something on both sides of an `@`, without
    /// space or what git drops.
    pub fn is_address(text: &str) -> bool {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "<>".contains(c);
        let sides = text.rsplit_once('@');
        sides.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty()) && !text.contains(bad)
    }
}
