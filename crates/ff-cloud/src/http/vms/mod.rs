//! `/api/vms`, and the pool they come from.

use axum::Router;
use axum::routing::{delete, get, patch, post, put};

use crate::App;

mod create;
mod delete;
mod end_lease;
mod git_identity;
mod lease;
mod leases;
mod limits;
mod list;
mod logs;
mod onboarding;
mod pool;
mod show;
mod suspend;
mod usage;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/pool", get(pool::pool))
        .route("/api/vms", get(list::list).post(create::create))
        .route("/api/vms/{vm}", get(show::show).delete(delete::delete))
        .route("/api/vms/{vm}/onboarding", get(onboarding::onboarding))
        .route(
            "/api/vms/{vm}/git-identity",
            put(git_identity::git_identity),
        )
        .route("/api/vms/{vm}/suspend", post(suspend::suspend))
        .route(
            "/api/vms/{vm}/leases",
            get(leases::leases).post(lease::lease),
        )
        .route("/api/vms/{vm}/leases/{lease}", delete(end_lease::end_lease))
        .route("/api/vms/{vm}/limits", patch(limits::limits))
        .route("/api/vms/{vm}/logs", get(logs::logs))
        .route("/api/vms/{vm}/usage", get(usage::usage))
}
