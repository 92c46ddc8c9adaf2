//! What the server says about its pool.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::vm::Pool;
use hyper::{Method, StatusCode};

use super::clock;
use super::http::Http;

const FULL: Duration = Duration::from_secs(300);

/// How the pool stands.
///
/// # Errors
/// The server has no pool, or does not answer.
pub async fn look(http: &Http) -> Result<Pool> {
    let answer = http.call(Method::GET, "/api/pool", None).await?;
    ensure!(
        answer.status != StatusCode::NOT_FOUND,
        "this ff-cloud has no GET /api/pool: there is no pool to measure"
    );
    let body = answer.ok("ask for the pool")?;
    serde_json::from_value(body).context("GET /api/pool answers something else")
}

/// Waits until one VM is ready.
///
/// # Errors
/// None is in time.
pub async fn ready(http: &Http) -> Result<()> {
    clock::until("a VM in the pool", FULL, async || {
        Ok(look(http).await?.ready > 0)
    })
    .await
}

/// Waits until the pool is full and makes nothing.
///
/// # Errors
/// It is not in time.
pub async fn full(http: &Http) -> Result<()> {
    clock::until("a full pool", FULL, async || {
        let pool = look(http).await?;
        Ok(pool.ready >= pool.size && pool.making == 0)
    })
    .await
}

/// Claims and misses between two looks, in a sentence.
pub fn between(before: &Pool, after: &Pool) -> String {
    format!(
        "pool of {}: {} claims, {} misses, {} failures",
        after.size,
        after.claims - before.claims.min(after.claims),
        after.misses - before.misses.min(after.misses),
        after.failures - before.failures.min(after.failures),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_between_the_looks_counts() {
        let at = |claims, misses| Pool {
            size: 20,
            ready: 20,
            making: 0,
            oldest_seconds: None,
            claims,
            misses,
            failures: 1,
            retry_at: None,
        };
        let said = between(&at(5, 2), &at(15, 3));
        assert_eq!(said, "pool of 20: 10 claims, 1 misses, 0 failures");
    }
}
