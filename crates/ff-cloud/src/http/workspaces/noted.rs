//! What the engine says of a workspace itself, noted in the mirror on its way by.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use ff_protocol::workspace::{InitReport, Workspace};
use ff_protocol::{UserId, WorkspaceId};

use crate::http::forward::to_agent;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::services::workspace::{Purpose, Route};
use crate::{App, Error, Result};

/// Largest answer that is looked into, in bytes.
const LARGEST: usize = 4 << 20;

/// What an answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    /// A workspace.
    Workspace,
    /// How its making stands.
    Init,
}

/// `PATCH /api/workspaces/{workspace}`, `POST …/retry`, `…/dismiss`, `…/archive`, `…/run/start`
/// and `…/run/stop`: forwarded, which wakes the VM.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    let workspaces = &app.workspaces;
    let way = workspaces.routed(&id, user.0.as_ref(), Purpose::Intent);
    let (user, route) = way.await?;
    let answer = to_agent(&app, route.clone(), request).await?;
    Ok(noted(&app, &user, &route, answer, Said::Workspace).await?)
}

/// `GET …/init`: forwarded.
pub async fn init(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    let workspaces = &app.workspaces;
    let way = workspaces.routed(&id, user.0.as_ref(), wake.purpose());
    let (user, route) = way.await?;
    let answer = to_agent(&app, route.clone(), request).await?;
    Ok(noted(&app, &user, &route, answer, Said::Init).await?)
}

/// `DELETE /api/workspaces/{workspace}`: forwarded; what the VM does not have the mirror forgets.
pub async fn delete(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    let workspaces = &app.workspaces;
    let way = workspaces.routed(&id, user.0.as_ref(), Purpose::Intent);
    let (user, route) = way.await?;
    let answer = to_agent(&app, route, request).await?;
    if answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND {
        workspaces.forget(&user, &id).await?;
    }
    Ok(answer)
}

/// The answer, once the mirror has what it says.
pub(super) async fn noted(
    app: &App,
    user: &UserId,
    route: &Route,
    answer: Response,
    said: Said,
) -> Result<Response> {
    if !answer.status().is_success() {
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST)
        .await
        .map_err(|error| Error::Bug(format!("an answer of an agent was cut: {error}")))?;
    let now: Option<Workspace> = match said {
        Said::Workspace => serde_json::from_slice(&bytes).ok(),
        Said::Init => serde_json::from_slice::<InitReport>(&bytes)
            .ok()
            .map(|report| report.workspace),
    };
    if let Some(now) = now {
        app.workspaces.note(user, route, &now).await?;
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
