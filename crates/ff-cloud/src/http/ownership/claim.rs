//! `POST /api/ownership`.

use axum::extract::State;
use ff_protocol::ownership::{Claims, Ruling};

use crate::App;
use crate::http::{DevUser, Failure, Json};

/// Compares what a desktop's records say with the server's, and answers where they differ.
pub async fn claim(
    State(app): State<App>,
    user: DevUser,
    Json(body): Json<Claims>,
) -> Result<Json<Vec<Ruling>>, Failure> {
    let user = user.required(None)?;
    Ok(Json(app.ownership.hear_desktop(&user, &body).await?))
}
