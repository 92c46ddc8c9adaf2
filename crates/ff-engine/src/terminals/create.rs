//! `POST …/terminals`: opens a terminal in the workspace's worktree, or in the home directory.

use std::path::PathBuf;

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use ff_core::workspace::ensure_owned;
use ff_protocol::terminal::{CreateTerminal, Terminal};
use ff_protocol::{VmId, WorkspaceId};

use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

type Created = (StatusCode, Reply<Terminal>);

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
    Json(create): Json<CreateTerminal>,
) -> Result<Created, ApiError> {
    let core = engine.core();
    let owned = ensure_owned(core.store(), core.owner(), &workspace).await?;
    let cwd = owned.worktree_path.map(PathBuf::from).unwrap_or_default();
    let terminal = core
        .terminals()
        .create(cwd, Some(workspace), create)
        .await?;
    Ok((StatusCode::CREATED, Reply(terminal)))
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path(vm): Path<VmId>,
    Json(create): Json<CreateTerminal>,
) -> Result<Created, ApiError> {
    engine.check_vm(&vm)?;
    let core = engine.core();
    let terminal = core
        .terminals()
        .create(core.config().home.clone(), None, create)
        .await?;
    Ok((StatusCode::CREATED, Reply(terminal)))
}
