//! The server, killed once at each of its crash points, and what is broken under it.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::io::Write;

use ff_testkit::chaos::{self, Report, Settings};
use stage::options;
use tokio::runtime::Builder;

/// What a program's main thread has: in a build for tests it is more than a test's has.
const STACK: usize = 8 << 20;

fn play(only: Option<&'static str>) -> Report {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: options.image,
        seed: 1,
        schedules: None,
        only: only.map(str::to_owned),
    };
    let tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    let playing = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(chaos::run(settings, tell))
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    let report = thread.spawn(playing).unwrap().join().unwrap().unwrap();
    tell(&report.text());
    assert_eq!(report.failures, [""; 0]);
    report
}

#[test]
fn vms_outlive_their_engine_with_live_restore_and_come_back_without_it() {
    let report = play(Some("engine.killed"));
    assert_eq!(report.faults, ["engine.killed"]);
}

#[test]
fn the_server_may_be_killed_at_each_of_its_crash_points() {
    let report = play(None);
    assert!(!report.points.is_empty(), "the server has no crash points");
}
