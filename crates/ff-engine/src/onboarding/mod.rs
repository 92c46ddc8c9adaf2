//! What the user has still to do in this VM.

mod git_identity;
mod show;

use axum::Router;
use axum::routing::{get, put};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/vms/{vm}/onboarding", get(show::show))
        .route("/api/vms/{vm}/git-identity", put(git_identity::set))
}
