//! `DELETE …/terminals/{terminal}`: ends a terminal with every process of its session.

use axum::extract::State;
use axum::http::StatusCode;
use ff_protocol::{TerminalId, VmId, WorkspaceId};

use super::find;
use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path((workspace, terminal)): Path<(WorkspaceId, TerminalId)>,
) -> Result<StatusCode, ApiError> {
    close(&engine, Some(&workspace), &terminal).await
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path((vm, terminal)): Path<(VmId, TerminalId)>,
) -> Result<StatusCode, ApiError> {
    engine.check_vm(&vm)?;
    close(&engine, None, &terminal).await
}

async fn close(
    engine: &Engine,
    place: Option<&WorkspaceId>,
    id: &TerminalId,
) -> Result<StatusCode, ApiError> {
    find(engine, place, id)?;
    engine.core().terminals().close(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
