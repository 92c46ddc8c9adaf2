//! What may be asked for, and the row it becomes. Pure.

use ff_protocol::handoff::{CreateHandoff, Direction, Plan};
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, UserId, VmId};
use sha2::{Digest, Sha256};

use crate::db::entity::handoff::{Model, State};
use crate::db::entity::workspace;
use crate::db::workspaces;
use crate::services::workspace::contested;
use crate::services::workspace::metadata::EMPTY;
use crate::{Error, Result, clock};

/// Whether the request makes sense in itself.
pub(super) fn check(ask: &CreateHandoff) -> Result<()> {
    if i64::try_from(ask.epoch).is_ok_and(|epoch| epoch < i64::MAX) {
        match (ask.direction, &ask.plan) {
            (Direction::Pull, _) => return Ok(()),
            (Direction::Send, None) => return Err(no_plan()),
            (Direction::Send, Some(plan)) if has_nul(&planned(plan)) => {
                let detail = "a name in `plan` has a NUL character";
                return Err(Error::refused(ErrorCode::Invalid, detail));
            }
            (Direction::Send, Some(plan)) if plan.workspace_id == ask.workspace_id => return Ok(()),
            (Direction::Send, Some(_)) => {
                let detail = "`plan` is of another workspace than `workspaceId`";
                return Err(Error::refused(ErrorCode::Invalid, detail));
            }
        }
    }
    Err(Error::refused(
        ErrorCode::Invalid,
        "`epoch` is out of range",
    ))
}

/// Whether the workspace is where the request says it is.
pub(super) fn check_owner(workspace: &workspace::Model, ask: &CreateHandoff) -> Result<()> {
    let id = &ask.workspace_id;
    let refuse = |detail: String| Err(Error::refused(ErrorCode::NotOwner, detail));
    let desktop = Owner::Desktop(ask.desktop_id.clone()).to_string();
    let (cloud, holder) = (Owner::Cloud.to_string(), &workspace.owner);
    if workspace.owner == Owner::Contested.to_string() {
        return Err(contested(id));
    }
    match ask.direction {
        Direction::Send if workspace.owner == cloud => {
            refuse(format!("workspace `{id}` is already in the cloud"))
        }
        Direction::Send if workspace.owner != desktop => refuse(format!(
            "workspace `{id}` belongs to another desktop, {holder}"
        )),
        Direction::Pull if workspace.owner != cloud => refuse(format!(
            "workspace `{id}` is not in the cloud: {holder} owns it"
        )),
        _ if workspace.epoch.unsigned_abs() != ask.epoch => refuse(format!(
            "workspace `{id}` is at epoch {}, not {}",
            workspace.epoch, ask.epoch
        ))
        .map_err(|error| error.hint("another copy has moved on; look with `ff workspace show`")),
        _ => Ok(()),
    }
}

/// The hand-off's row.
pub(super) fn new_row(
    user: &UserId,
    vm: &VmId,
    ask: &CreateHandoff,
    digest: &str,
) -> Result<Model> {
    let desktop = Owner::Desktop(ask.desktop_id.clone()).to_string();
    let cloud = Owner::Cloud.to_string();
    let (from_owner, to_owner) = match ask.direction {
        Direction::Send => (desktop, cloud),
        Direction::Pull => (cloud, desktop),
    };
    let now = clock::now();
    Ok(Model {
        id: ask.id.to_string(),
        user_id: user.to_string(),
        workspace_id: ask.workspace_id.to_string(),
        vm_id: vm.to_string(),
        direction: ask.direction.into(),
        from_owner,
        to_owner,
        epoch: i64::try_from(ask.epoch)
            .map_err(|_| Error::refused(ErrorCode::Invalid, "`epoch` is out of range"))?
            + 1,
        state: State::Transferring,
        request_digest: digest.to_owned(),
        new_workspace: false,
        agent_told: false,
        bytes_total: None,
        bytes_done: 0,
        created_at: now,
        updated_at: now,
    })
}

/// What a plan tells of the workspace.
pub(super) fn planned(plan: &Plan) -> workspaces::Shown<'_> {
    workspaces::Shown {
        name: &plan.workspace_name,
        project_name: &plan.project_name,
        branch_name: &plan.branch,
        metadata: EMPTY,
    }
}

/// Whether a text cannot be kept: PostgreSQL has no NUL in text.
pub(super) fn has_nul(shown: &workspaces::Shown<'_>) -> bool {
    [shown.name, shown.project_name, shown.branch_name]
        .iter()
        .any(|text| text.contains('\0'))
}

/// Identity of what is asked for. Without what may change until a hand-off is taken up again:
/// who is said to ask, the plan, and the commits the desktop has.
pub(super) fn digest(ask: &CreateHandoff) -> Result<String> {
    let same = (ask.direction, &ask.workspace_id, &ask.desktop_id, ask.epoch);
    let json = serde_json::to_vec(&same).map_err(|error| Error::Bug(error.to_string()))?;
    Ok(hex::encode(Sha256::digest(json)))
}

/// A send without a plan.
pub(super) fn no_plan() -> Error {
    Error::refused(ErrorCode::Invalid, "a send needs `plan`")
}
