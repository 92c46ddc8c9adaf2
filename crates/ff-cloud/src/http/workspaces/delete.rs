//! `DELETE /api/workspaces/{workspace}`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ff_protocol::WorkspaceId;

use crate::App;
use crate::http::forward::to_agent;
use crate::http::{DevUser, Failure, Path};
use crate::services::workspace::Purpose;

/// Has the VM delete a workspace, which wakes it; what the VM does not have the mirror forgets. Of
/// one that a desktop owns there is only the mirror's row: that goes, and nothing is woken.
pub async fn delete(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    let workspaces = &app.workspaces;
    if workspaces.forget_of_desktop(&id, user.0.as_ref()).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let way = workspaces.routed(&id, user.0.as_ref(), Purpose::Intent);
    let (user, route) = way.await?;
    let answer = to_agent(&app, route, request).await?;
    if answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND {
        workspaces.forget(&user, &id).await?;
    }
    Ok(answer)
}
