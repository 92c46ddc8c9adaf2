//! `/api/vms`.

use axum::Router;
use axum::routing::get;

use crate::App;

mod create;
mod delete;
mod list;
mod onboarding;
mod show;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/vms", get(list::list).post(create::create))
        .route("/api/vms/{vm}", get(show::show).delete(delete::delete))
        .route("/api/vms/{vm}/onboarding", get(onboarding::onboarding))
}
