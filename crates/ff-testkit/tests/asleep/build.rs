//! A build that goes on after its terminal.

use std::time::Duration;

use chrono::Utc;

use crate::vm::Vm;

/// Longer than typing counts for, and then longer than both tiers wait.
const BUILD: u64 = 55;

pub async fn story() {
    let (vm, lease) = Vm::new(&["--idle-freeze=5", "--idle-stop=15"]).await;
    let before = vm.moves.count();
    let typed = format!(
        "nohup bash -c 'end=$((SECONDS + {BUILD})); while [ $SECONDS -lt $end ]; do \
         head -c 20000000 /dev/urandom | sha256sum; sleep 0.3; done; date +%s.%N > ~/built' \
         >/dev/null 2>&1 & exit\n"
    );
    let ran = vm.world.ff(["terminal", "--vm"]).input(&typed).ok().await;
    ran.unwrap();
    vm.let_sleep(lease).await;

    // What the last step of a build did counts for half a minute.
    let within = Duration::from_secs(BUILD + 90);
    let (first, at) = vm.moves.next(before, within).await;

    let lease = vm.keep_awake(600).await;
    let built: f64 = vm.look("cat ~/built").await.parse().unwrap();
    assert!(at > built, "{first} {} s before the end", built - at);
    assert_eq!(first, "pause");
    assert!(vm.account().await.starts_with("awake frozen"));
    vm.runs_untroubled().await;
    // Its time is the server's, and the whole of it lies ahead.
    let listed = vm.leases().await;
    assert_eq!(listed, [lease]);
    let left = listed[0].expires_at - Utc::now();
    assert!((500..=600).contains(&left.num_seconds()), "{left}");
}
