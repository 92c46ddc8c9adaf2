//! `PATCH …/terminals/{terminal}`: gives a terminal another name.

use axum::Json as Reply;
use axum::extract::State;
use ff_protocol::terminal::{RenameTerminal, Terminal};
use ff_protocol::{TerminalId, VmId, WorkspaceId};

use super::find;
use crate::extract::{Json, Path};
use crate::{ApiError, Engine};

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path((workspace, terminal)): Path<(WorkspaceId, TerminalId)>,
    Json(rename): Json<RenameTerminal>,
) -> Result<Reply<Terminal>, ApiError> {
    give(&engine, Some(&workspace), &terminal, rename)
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path((vm, terminal)): Path<(VmId, TerminalId)>,
    Json(rename): Json<RenameTerminal>,
) -> Result<Reply<Terminal>, ApiError> {
    engine.check_vm(&vm)?;
    give(&engine, None, &terminal, rename)
}

fn give(
    engine: &Engine,
    place: Option<&WorkspaceId>,
    id: &TerminalId,
    rename: RenameTerminal,
) -> Result<Reply<Terminal>, ApiError> {
    find(engine, place, id)?;
    Ok(Reply(engine.core().terminals().rename(id, rename.name)?))
}
