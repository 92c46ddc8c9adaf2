//! Very many users with a VM each.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::Method;
use serde_json::json;

use super::Bench;
use super::server::Server;

/// Users who ask at the same time.
const AT_ONCE: usize = 16;

/// Makes a VM for each of so many users; every second one is stopped if `half_asleep`.
///
/// # Errors
/// The server refuses one.
pub async fn make(
    bench: &Bench,
    server: &Server,
    name: &'static str,
    many: usize,
    half_asleep: bool,
) -> Result<()> {
    // Few connections for all: what is measured is VMs.
    let http = &server.http();
    stream::iter(0..many)
        .map(|n| async move {
            let body = json!({ "userId": format!("bench-{name}-{n}") });
            let made = http.call(Method::POST, "/api/vms", Some(&body));
            let made = made.await?.ok("make a VM")?;
            if half_asleep && n % 2 == 1 {
                let id = made["id"].as_str().context("a VM without an id")?;
                let path = format!("/api/vms/{id}/suspend");
                let body = json!({ "tier": "stopped" });
                let stopped = http.call(Method::POST, &path, Some(&body)).await?;
                stopped.ok("stop a VM")?;
            }
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |done, ()| {
            bench.progress(name, done + 1);
            Ok(done + 1)
        })
        .await
        .map(drop)
}
