//! The server, killed once at each of its crash points, and what is broken under it.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use ff_testkit::chaos::{self, Settings};
use stage::options;

fn settings(only: Option<&str>) -> Settings {
    let options = options();
    Settings {
        programs: options.programs,
        image: options.image,
        seed: 1,
        schedules: None,
        only: only.map(str::to_owned),
    }
}

#[tokio::test]
async fn vms_outlive_their_engine_with_live_restore_and_come_back_without_it() {
    let settings = settings(Some("engine.killed"));
    let report = chaos::run(settings, |line| println!("{line}"))
        .await
        .unwrap();
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report.faults, ["engine.killed"]);
}

#[tokio::test]
async fn the_server_may_be_killed_at_each_of_its_crash_points() {
    let report = chaos::run(settings(None), |line| println!("{line}"))
        .await
        .unwrap();
    println!("{}", report.text());
    assert_eq!(report.failures, [""; 0]);
    assert!(!report.points.is_empty(), "the server has no crash points");
}
