//! Terminals in a VM, through the server: links that are cut, a server that is killed, a VM that is
//! frozen, all that waits side by side; and viewers that come while programs draw.

#![allow(clippy::unwrap_used)]

mod live;
mod picture;
#[path = "../support/stage.rs"]
mod stage;

use std::time::Duration;

use ff_testkit::terminals_chaos::{self, Settings};
use stage::options;
use tokio::runtime::Builder;

/// What a program's main thread has: in a build for tests it is more than a test's has.
const STACK: usize = 8 << 20;

#[test]
fn no_output_is_lost_and_no_key_lost_or_doubled() {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: options.image,
        cuts: vec![Duration::from_secs(5)],
        long_cuts: vec![Duration::from_secs(60)],
        idle: Duration::from_secs(180),
    };
    let playing = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let told = terminals_chaos::run(settings, |line| println!("{line}"));
        runtime.unwrap().block_on(told)
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    let report = thread.spawn(playing).unwrap().join().unwrap().unwrap();
    println!("{}", report.text());
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report.told.len(), 7);
}
