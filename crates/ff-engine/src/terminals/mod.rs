//! Terminals of a workspace, and of the home directory of a VM.

mod attach;
mod close;
mod create;
mod list;
mod rename;

use axum::Router;
use axum::routing::{delete, get};
use ff_core::terminal::TerminalHandle;
use ff_protocol::{ErrorCode, TerminalId, WorkspaceId};

use crate::{ApiError, Engine};

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route(
            "/api/workspaces/{workspace}/terminals",
            get(list::in_workspace).post(create::in_workspace),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}",
            delete(close::in_workspace).patch(rename::in_workspace),
        )
        .route(
            "/api/workspaces/{workspace}/terminals/{terminal}/socket",
            get(attach::in_workspace),
        )
        .route(
            "/api/vms/{vm}/terminals",
            get(list::in_vm).post(create::in_vm),
        )
        .route(
            "/api/vms/{vm}/terminals/{terminal}",
            delete(close::in_vm).patch(rename::in_vm),
        )
        .route(
            "/api/vms/{vm}/terminals/{terminal}/socket",
            get(attach::in_vm),
        )
}

/// The terminal, if it is in that place: a workspace, or the home directory.
fn find(
    engine: &Engine,
    place: Option<&WorkspaceId>,
    id: &TerminalId,
) -> Result<TerminalHandle, ApiError> {
    let handle = engine.core().terminals().get(id);
    handle
        .filter(|handle| handle.describe().workspace_id.as_ref() == place)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                format!("there is no terminal {id} here"),
            )
        })
}
