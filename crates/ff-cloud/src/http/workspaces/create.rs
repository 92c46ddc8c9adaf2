//! `POST /api/workspaces`: makes a workspace in the user's VM, and enters it in the mirror.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use ff_protocol::workspace::CreateWorkspace;
use ff_protocol::{ErrorCode, WorkspaceId};

use super::noted::{Said, noted};
use crate::http::forward::to_agent;
use crate::http::{DevUser, Failure};
use crate::services::workspace::Purpose;
use crate::{App, Error, Result};

/// Largest body, in bytes.
const LARGEST: usize = 1 << 20;

/// Enters a workspace, and has the VM make it. Wakes the VM.
pub async fn create(
    State(app): State<App>,
    user: DevUser,
    request: Request,
) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let (user, route) = app
        .workspaces
        .user_route(user.0.as_ref(), Purpose::Intent)
        .await?;
    let mut create = read(body).await?;
    let id = create.id.get_or_insert_with(WorkspaceId::generate).clone();
    let body = serde_json::to_vec(&create).map_err(|error| Error::Bug(error.to_string()))?;
    parts
        .headers
        .insert(header::CONTENT_LENGTH, body.len().into());
    app.workspaces.enter(&user, &route, &id, &create).await?;
    let request = Request::from_parts(parts, Body::from(body));
    let answer = to_agent(&app, route.clone(), request).await?;
    if !answer.status().is_success() {
        app.workspaces.forget(&user, &id).await?;
        return Ok(answer);
    }
    Ok(noted(&app, &user, &route, answer, Said::Workspace).await?)
}

async fn read(body: Body) -> Result<CreateWorkspace> {
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| {
        let detail = format!("the body is larger than {LARGEST} bytes, or was cut");
        Error::refused(ErrorCode::TooLarge, detail)
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let code = match error.classify() {
            serde_json::error::Category::Data => ErrorCode::Invalid,
            _ => ErrorCode::BadRequest,
        };
        Error::refused(code, format!("the body does not fit: {error}"))
    })
}
