//! Workspaces of this machine.

mod archive;
mod create;
mod delete;
mod dismiss;
mod init;
mod list;
mod rename;
mod rest;
mod retry;
mod run_logs;
mod run_start;
mod run_stop;
mod show;

use axum::Router;
use axum::routing::{get, post};

use crate::Engine;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/workspaces", get(list::list).post(create::create))
        .route(
            "/api/workspaces/{workspace}",
            get(show::show).patch(rename::rename).delete(delete::delete),
        )
        .route("/api/workspaces/{workspace}/init", get(init::init))
        .route("/api/workspaces/{workspace}/rest", post(rest::rest))
        .route("/api/workspaces/{workspace}/retry", post(retry::retry))
        .route(
            "/api/workspaces/{workspace}/dismiss",
            post(dismiss::dismiss),
        )
        .route(
            "/api/workspaces/{workspace}/archive",
            post(archive::archive),
        )
        .route("/api/workspaces/{workspace}/run", get(run_logs::logs))
        .route(
            "/api/workspaces/{workspace}/run/start",
            post(run_start::start),
        )
        .route("/api/workspaces/{workspace}/run/stop", post(run_stop::stop))
}
