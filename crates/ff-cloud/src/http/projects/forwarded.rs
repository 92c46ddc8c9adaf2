//! `/api/projects…`: the engine's API, forwarded to the user's VM.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::ProjectId;
use serde::Deserialize;

use crate::http::forward::to_agent;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::services::workspace::Purpose;
use crate::{App, Result};

/// The id in the path, if there is one. It is checked here: the path goes on as it came.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub struct Inside {
    project: Option<ProjectId>,
}

/// Forwards a read: `suspended` while the VM sleeps, unless `?wake=true`.
pub async fn read(
    State(app): State<App>,
    user: DevUser,
    Path(_): Path<Inside>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(app, user, wake.purpose(), request).await?)
}

/// Forwards a change, which wakes the VM.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(_): Path<Inside>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(app, user, Purpose::Intent, request).await?)
}

async fn pass(app: App, user: DevUser, purpose: Purpose, request: Request) -> Result<Response> {
    let (_, route) = app.workspaces.user_route(user.0.as_ref(), purpose).await?;
    to_agent(&app, route, request).await
}
