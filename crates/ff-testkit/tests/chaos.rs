//! The server, killed once at each of its crash points, and what is broken under it.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use ff_testkit::chaos::{self, Settings};
use stage::options;

#[tokio::test]
async fn the_server_may_be_killed_at_each_of_its_crash_points() {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: options.image,
        seed: 1,
        schedules: None,
        only: None,
    };
    let report = chaos::run(settings, |line| println!("{line}"))
        .await
        .unwrap();
    println!("{}", report.text());
    assert_eq!(report.failures, [""; 0]);
    assert!(!report.points.is_empty(), "the server has no crash points");
}
