//! The agent tells that sessions wait for a login.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics to fail"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support;

use std::time::Duration;

use ff_protocol::agent::Health;
use ff_protocol::vm::LoginRequired;
use futures_util::{Stream, StreamExt};
use support::World;

const DEADLINE: Duration = Duration::from_secs(60);

fn write(world: &World, expires_at: i64) {
    let path = world.path(".claude/.credentials.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text =
        format!(r#"{{"claudeAiOauth":{{"accessToken":"secret","expiresAt":{expires_at}}}}}"#);
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

async fn until(
    reports: &mut (impl Stream<Item = Result<Health, ff_client::ClientError>> + Unpin),
    wanted: impl Fn(Option<&LoginRequired>) -> bool,
) -> Health {
    let waiting = async {
        loop {
            let health = reports.next().await.unwrap().unwrap();
            if wanted(health.login_required.as_ref()) {
                return health;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

#[tokio::test]
async fn a_login_that_the_cli_cleared_is_reported_until_there_is_another() {
    let world = World::new();
    let mut reports = world.agent.reports().await.unwrap();
    until(&mut reports, |required| required.is_none()).await;
    write(&world, 0);
    let told = until(&mut reports, |required| required.is_some()).await;
    let required = told.login_required.unwrap();
    assert!(
        required.reason.contains("could not be renewed"),
        "{required:?}"
    );
    assert_eq!(world.health().await.login_required, Some(required));
    write(&world, 4_000_000_000_000);
    until(&mut reports, |required| required.is_none()).await;
}
