//! `/api/vms/{vm}/terminals`: terminals in a VM's home.

use axum::Router;
use axum::routing::{delete, get};

use crate::App;

mod forwarded;
mod socket;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/vms/{vm}/terminals",
            get(forwarded::read).post(forwarded::change),
        )
        .route(
            "/api/vms/{vm}/terminals/{terminal}",
            delete(forwarded::change).patch(forwarded::change),
        )
        .route(
            "/api/vms/{vm}/terminals/{terminal}/socket",
            get(socket::socket),
        )
}
