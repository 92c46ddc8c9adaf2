//! Moves in which somebody is killed, a disk is full or the stream is cut.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::io::Write;

use ff_testkit::handoff_chaos::{self, Settings};
use stage::options;
use tokio::runtime::Builder;

/// What a program's main thread has: in a build for tests it is more than a test's has.
const STACK: usize = 8 << 20;

#[test]
fn a_workspace_has_one_owner_and_all_of_its_work_whoever_is_killed_in_a_move() {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: Some(options.image),
        seed: 1,
        schedules: Some(12),
        full_disks: true,
        only: None,
    };
    let tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    let playing = move || {
        let runtime = Builder::new_multi_thread().enable_all().build();
        runtime
            .unwrap()
            .block_on(handoff_chaos::run(settings, tell))
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    let report = thread.spawn(playing).unwrap().join().unwrap().unwrap();
    tell(&report.text());
    assert_eq!(report.failures, [""; 0]);
}
