//! `GET /api/workspaces`.

use axum::extract::State;
use ff_protocol::Page;
use ff_protocol::workspace::CloudWorkspace;
use serde::Deserialize;

use crate::App;
use crate::http::{DevUser, Failure, Json, Query};

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub struct After {
    after: Option<String>,
}

/// Lists workspaces from the mirror: those of the named user, or all. Wakes nothing.
pub async fn list(
    State(app): State<App>,
    user: DevUser,
    Query(After { after }): Query<After>,
) -> Result<Json<Page<CloudWorkspace>>, Failure> {
    let page = app.workspaces.list(user.0.as_ref(), after.as_deref());
    Ok(Json(page.await?))
}
