//! A freeze that is longer than anything in the system may be silent for.

use std::time::{Duration, Instant};

use chrono::Utc;
use ff_protocol::session::{Activity, PermissionPreset};

use crate::tab::Tab;
use crate::vm::Vm;

/// Server, agent and client end a connection that was silent for 60 s, and look at that every
/// 20 s. The connections here begin at different times, so that one of them would be looked at.
const FREEZE: Duration = Duration::from_secs(72);
const SOON: Duration = Duration::from_secs(90);

pub async fn story() {
    let (mut vm, lease) = Vm::new(&["--idle-freeze=5"]).await;
    let terminal = vm.terminal().await;
    let (mut tab, mut other) = (Tab::default(), Tab::default());
    let keys = tab.show(&vm, &terminal).await;
    keys.send("echo $$ > ~/shell; cat\r").await.unwrap();
    vm.send_workspace().await;
    tab.follow(&vm).await;
    let tool = r#"TOOL Bash {"command": "echo ran >> it-ran", "description": "Run"}"#;
    let session = vm.start_session(tool, PermissionPreset::Strict).await;
    let request = tab.request().await;
    other.show(&vm, &terminal).await;
    other.follow(&vm).await;
    let (before, head) = (programs(&vm).await, vm.git("rev-parse HEAD").await);
    for program in ["bash", "cat", "claude", "ff-agent"] {
        assert!(before.contains(program), "no {program} in {before}");
    }
    let moved = vm.moves.count();
    vm.let_sleep(lease).await;

    vm.until("paused", SOON).await;
    let frozen = Instant::now();
    while frozen.elapsed() < FREEZE {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(vm.state().await, "paused", "after {:?}", frozen.elapsed());
        tab.is_connected();
        other.is_connected();
    }
    keys.send("still here\r").await.unwrap();
    // Once by the terminal, once by `cat`.
    tab.shows("still here", 2).await;
    let lease = vm.keep_awake(600).await;
    other.shows("still here", 2).await;

    let (thawed, at) = vm.moves.next(moved + 1, SOON).await;
    let moves = vm.moves.after(moved);
    assert!(
        moves.len() == 2 && moves[0].0 == "pause" && thawed == "unpause",
        "{moves:?}"
    );
    assert!(at - moves[0].1 >= FREEZE.as_secs_f64(), "{moves:?}");
    assert_eq!(programs(&vm).await, before);
    vm.runs_untroubled().await;
    assert_eq!(vm.account().await, "awake frozen awake");
    let left = lease.expires_at - Utc::now();
    assert!((500..=600).contains(&left.num_seconds()), "{left}");
    assert_eq!(vm.leases().await, [lease]);

    let asked = vm.session(&session).await;
    assert_eq!(asked.activity, Activity::WaitingForUser, "{asked:?}");
    vm.allow(&session, request).await;
    tab.turn_ended().await;
    other.turn_ended().await;
    let said = vm.completed(&session, SOON).await;
    assert!(said.contains("[1 ok]"), "{said}");
    assert_eq!(vm.git("rev-parse HEAD").await, head);
    assert_eq!(vm.git("status --porcelain").await, "?? it-ran");

    // In the same shell, whose program ends now.
    let shell = vm.look("cat ~/shell").await;
    let ask = "gh auth status >/dev/null; echo \"gh=$?\"; \
               claude auth status >/dev/null; echo \"claude=$?\"; echo \"shell=$$\"\r";
    keys.send("\x03").await.unwrap();
    tab.shows("^C", 1).await;
    keys.send(ask).await.unwrap();
    tab.shows(&format!("shell={shell}"), 1).await;
    tab.shows("gh=0", 1).await;
    tab.shows("claude=0", 1).await;
    vm.is_logged_in().await;
    tab.is_connected();
    other.is_connected();
    vm.runs_untroubled().await;
}

/// The programs that must live through it, each with its number and its start.
async fn programs(vm: &Vm) -> String {
    let stat = "for p in $(cat ~/shell) $(pgrep -x 'cat|claude|ff-agent'); do \
                cut -d' ' -f1,2,22 /proc/$p/stat; done";
    vm.look(stat).await
}
