//! `/api/workspaces/{workspace}/sessions…`, `…/requests` and `…/terminals…`: the engine's API,
//! forwarded.

use axum::extract::{Request, State};
use axum::response::Response;
use ff_protocol::{SessionId, TerminalId, WorkspaceId};
use serde::Deserialize;

use crate::http::forward::to_agent;
use crate::http::wake::Wake;
use crate::http::{DevUser, Failure, Path, Query};
use crate::services::workspace::Purpose;
use crate::{App, Result};

/// The ids in the path. All are checked here: the path goes on as it came.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub struct Inside {
    pub(super) workspace: WorkspaceId,
    session: Option<SessionId>,
    terminal: Option<TerminalId>,
}

impl Inside {
    /// Whether the path names a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal.is_some()
    }
}

/// Forwards a read: `suspended` while the VM sleeps, unless `?wake=true`.
pub async fn read(
    State(app): State<App>,
    user: DevUser,
    Path(inside): Path<Inside>,
    Query(wake): Query<Wake>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(app, user, inside, wake.purpose(), request).await?)
}

/// Forwards a change, which wakes the VM.
pub async fn change(
    State(app): State<App>,
    user: DevUser,
    Path(inside): Path<Inside>,
    request: Request,
) -> Result<Response, Failure> {
    Ok(pass(app, user, inside, Purpose::Intent, request).await?)
}

async fn pass(
    app: App,
    user: DevUser,
    inside: Inside,
    purpose: Purpose,
    request: Request,
) -> Result<Response> {
    let route = app
        .workspaces
        .route(&inside.workspace, user.0.as_ref(), purpose)
        .await?;
    to_agent(&app, route, request).await
}
