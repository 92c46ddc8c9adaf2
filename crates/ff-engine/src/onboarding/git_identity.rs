//! `PUT /api/vms/{vm}/git-identity`: who commits in this VM, where no repository says otherwise.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::VmId;
use ff_protocol::vm::GitIdentity;

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn set(
    State(engine): State<Engine>,
    Path(vm): Path<VmId>,
    Json(identity): Json<GitIdentity>,
) -> Result<Reply<GitIdentity>, ApiError> {
    engine.check_vm(&vm)?;
    Ok(Reply(engine.core().set_git_identity(&identity).await?))
}
