//! From a row to what callers see.

use ff_protocol::vm::{Vm, VmState};
use ff_protocol::{InvalidId, UserId, VmId};

use crate::agent::{AgentToken, Endpoint};
use crate::db::entity::vm::Model;
use crate::{Error, Result};

/// The VM as the API shows it.
pub fn vm(row: &Model) -> Result<Vm> {
    let reason = row.reason.as_ref().map(|reason| match &row.reason_code {
        Some(code) => format!("{code}: {reason}"),
        None => reason.clone(),
    });
    Ok(Vm {
        id: id(row)?,
        user_id: user(row)?,
        state: row.state.into(),
        reason_code: row.reason_code.clone(),
        reason,
        container_id: row.container_id.clone(),
        image: row.image.clone(),
        created_at: row.created_at,
        last_health_check: row.last_health_check,
        last_active_at: row.last_active_at,
        limits: None,
        awake: None,
        next_wake_at: row.next_wake_at,
        notices: super::show::notices(row),
        login_required: None,
    })
}

/// The row's id.
pub fn id(row: &Model) -> Result<VmId> {
    row.id.clone().try_into().map_err(damaged)
}

/// The row's user.
pub fn user(row: &Model) -> Result<UserId> {
    let user = row.user_id.clone().unwrap_or_default();
    user.try_into().map_err(damaged)
}

/// A state as it stands on the wire.
pub fn word(state: VmState) -> &'static str {
    match state {
        VmState::Pooled => "POOLED",
        VmState::Provisioning => "PROVISIONING",
        VmState::Running => "RUNNING",
        VmState::Suspending => "SUSPENDING",
        VmState::Frozen => "FROZEN",
        VmState::Stopped => "STOPPED",
        VmState::Resuming => "RESUMING",
        VmState::Failed => "FAILED",
        VmState::Terminating => "TERMINATING",
        VmState::Terminated => "TERMINATED",
    }
}

/// The way to the agent of a VM that runs.
pub fn endpoint(row: &Model, token: AgentToken) -> Result<Endpoint> {
    let missing = || Error::Bug(format!("VM {} runs and has no address", row.id));
    Ok(Endpoint {
        vm_id: id(row)?,
        base_url: row.address.clone().ok_or_else(missing)?,
        token,
        start: row.machine_start.clone().ok_or_else(missing)?,
    })
}

fn damaged(error: InvalidId) -> Error {
    Error::Bug(format!("a row is damaged: {error}"))
}
