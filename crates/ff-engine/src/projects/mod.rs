//! Projects of this machine.

mod create;
mod list;
mod show;
mod update;

use axum::Router;
use axum::routing::get;

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/projects", get(list::list).post(create::create))
        .route(
            "/api/projects/{project}",
            get(show::show).patch(update::update),
        )
}
