//! `DELETE /api/users/{user}`.

use axum::extract::State;
use ff_protocol::UserId;
use ff_protocol::user::Erasure;
use serde::Deserialize;

use crate::http::{DevUser, Failure, Json, Path, Query};
use crate::services::user::Ask;
use crate::{App, Error};

/// Who asks when the request names nobody.
const NOBODY: &str = "dev";

/// How far it goes.
#[derive(Debug, Deserialize)]
pub struct Force {
    #[serde(default)]
    force: bool,
}

/// Deletes a user's account with the VM and its home, and says what was removed. `409
/// owns_workspaces` while workspaces are in the VM and nowhere else, unless `?force=true`.
pub async fn erase(
    State(app): State<App>,
    asking: DevUser,
    Path(user): Path<UserId>,
    Query(Force { force }): Query<Force>,
) -> Result<Json<Erasure>, Failure> {
    if asking.0.as_ref().is_some_and(|asking| *asking != user) {
        return Err(Error::not_found("user", &user).into());
    }
    let ask = Ask {
        actor: asking.0.as_ref().map_or(NOBODY, UserId::as_str),
        force,
    };
    Ok(Json(app.users.erase(&user, ask).await?))
}
