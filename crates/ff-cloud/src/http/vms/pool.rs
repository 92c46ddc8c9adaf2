//! `GET /api/pool`.

use axum::extract::State;
use ff_protocol::vm::Pool;

use crate::App;
use crate::http::{Failure, Json};

/// Shows the pool.
pub async fn pool(State(app): State<App>) -> Result<Json<Pool>, Failure> {
    Ok(Json(app.vms.pool().await?))
}
