//! Random working states that go to the cloud, are changed there and come back.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::io::Write;

use ff_testkit::handoff_states::{self, Settings};
use stage::options;
use tokio::runtime::Builder;

/// What a program's main thread has: in a build for tests it is more than a test's has.
const STACK: usize = 8 << 20;

#[test]
fn random_working_states_go_to_the_cloud_and_come_back_as_they_were() {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: options.image,
        seed: 1,
        repositories: 17,
        on_docker: 3,
        fewest: 2,
        only: None,
    };
    let tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    let playing = move || {
        let runtime = Builder::new_multi_thread().enable_all().build();
        runtime
            .unwrap()
            .block_on(handoff_states::run(settings, tell))
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    let report = thread.spawn(playing).unwrap().join().unwrap().unwrap();
    tell(&report.text());
    assert_eq!(report.failures, [""; 0]);
}
