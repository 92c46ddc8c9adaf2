//! `GET /api/workspaces/{workspace}/socket` and `…/terminals/{terminal}/socket`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::inside::Inside;
use crate::App;
use crate::http::{DevUser, Failure, Path, Upgrade};
use crate::services::workspace::Purpose;
use crate::ws::{Caller, Kind, relay};

/// Relays a socket of the workspace; wakes the VM.
pub async fn socket(
    State(app): State<App>,
    user: DevUser,
    Path(inside): Path<Inside>,
    uri: Uri,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let route = app
        .workspaces
        .route(&inside.workspace, user.0.as_ref(), Purpose::Intent)
        .await?;
    let kind = match inside.is_terminal() {
        true => Kind::Terminal,
        false => Kind::Workspace,
    };
    let caller = Caller {
        uri: &uri,
        kind,
        upgrade,
    };
    Ok(relay(app, route, caller).await?)
}
