//! `PATCH /api/workspaces/{workspace}`, `POST …/retry`, `…/dismiss`, `…/archive`, `…/run/start` and
//! `…/run/stop`: the engine's API, forwarded and noted.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::WorkspaceId;

use super::noted::{Said, pass};
use crate::App;
use crate::http::{DevUser, Failure, Path};
use crate::services::workspace::Purpose;

/// Has the VM change a workspace, which wakes it.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(&app, &user, &id, Purpose::Intent, request, Said::Workspace).await?)
}
