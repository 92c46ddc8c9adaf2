//! What happens to a workspace while it is being sent, and workspaces that are sent together.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ff_testkit::link::{Cut, Link};
use sea_orm::ConnectionTrait;

use super::common::served::until;
use super::common::server::Server;
use super::common::{Desktop, Run, git};
use super::{connected, noise, place};

const SIZE: usize = 8 << 20;

/// A send that stands still while its largest part is under way.
struct Held {
    desktop: Desktop,
    server: Server,
    link: Link,
    sending: Child,
}

impl Held {
    async fn begin() -> Self {
        let (desktop, server) = connected().await;
        let large = desktop.worktree("demo").join("large");
        std::fs::write(large, noise(SIZE)).unwrap();
        let link = Link::start(server.address()).await.unwrap();
        let url = format!("http://{}", link.address());
        desktop.ok(&["cloud", "connect", &url, "--user", "test-user"]);
        let (before, mut command) = (link.went_up(), desktop.command(&["send", "demo"]));
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let sending = command.spawn().unwrap();
        let begun = async {
            while link.went_up() < before + (64 << 10) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            link.cut(Cut::Both);
        };
        tokio::time::timeout(Duration::from_secs(30), begun)
            .await
            .unwrap();
        let spool = desktop.path("data/factory-factory/spool");
        until("it is spooled", || {
            std::fs::read_dir(&spool).unwrap().count() == 1
        });
        Self {
            desktop,
            server,
            link,
            sending,
        }
    }

    fn ends(self) -> (Desktop, Server, Link, Run) {
        self.link.cut(Cut::None);
        let run = self.sending.wait_with_output().unwrap().into();
        (self.desktop, self.server, self.link, run)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_edited_during_a_send_stops_it_and_comes_with_the_next_one() {
    let held = Held::begin().await;
    let worktree = held.desktop.path("home/factory-factory/worktrees/app");
    let worktree = std::fs::read_dir(worktree)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(worktree.join("README.md"), "edited meanwhile\n").unwrap();
    let (desktop, server, _link, run) = held.ends();
    run.failed(4, &["changed while it was being moved", "ff send demo"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    desktop.ok(&["send", "demo"]);
    let there = std::fs::read_to_string(server.worktree().join("README.md"));
    assert_eq!(there.unwrap(), "edited meanwhile\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_the_ratchet_that_begins_during_a_send_stops_it() {
    let held = Held::begin().await;
    // One that another program has begun right before, with its CLI.
    let mut cli = Command::new("sleep")
        .arg("300")
        .process_group(0)
        .spawn()
        .unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", cli.id())).unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    let start: u64 = fields.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mark = serde_json::json!({"pid": cli.id(), "start": start, "boot": boot.trim()});
    let row = format!(
        "INSERT INTO sessions (id, workspace_id, workflow, permissions, status, activity,
           provider_session_id, permission_mode, queued, held, process, created_at, updated_at)
         SELECT '0199a1b2-0000-7000-8000-00000000000f', id, 'ratchet', 'RELAXED', 'RUNNING', 'working',
           '0199a1b2-0000-7000-8000-0000000000ff', 'default', 0, 0, '{mark}', created_at, updated_at
         FROM workspaces"
    );
    let records = held.desktop.records().await;
    records.execute_unprepared(&row).await.unwrap();
    let (desktop, server, _link, run) = held.ends();
    run.failed(4, &["the ratchet works on workspace demo", "0199a1b2"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    assert_eq!(
        git(&desktop.worktree("demo"), &["branch", "--show-current"]),
        "demo"
    );
    let rows = server.client.workspaces().await.unwrap();
    assert!(
        rows.iter()
            .all(|row| row.owner != ff_protocol::workspace::Owner::Cloud)
    );

    // What the row says of a process that is gone does not count, nor does an id in the workspace.
    cli.kill().unwrap();
    cli.wait().unwrap();
    for change in [
        format!("UPDATE sessions SET status = 'RUNNING', process = '{mark}'"),
        "UPDATE workspace_ratchets SET active_session_id = '0199a1b2-0000-7000-8000-00000000000f'"
            .to_owned(),
    ] {
        let done = records.execute_unprepared(&change).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{change}");
    }
    records.close().await.unwrap();
    desktop.ok(&["send", "demo"]);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_workspaces_those_that_can_move_go_and_the_others_are_named() {
    let (desktop, server) = connected().await;
    for name in ["second", "third"] {
        desktop.ok(&["workspace", "new", name, "--project", "app"]);
    }
    let stays = desktop.worktree("second").join("nested/.git");
    std::fs::create_dir_all(stays).unwrap();
    let run = desktop.ff(&["send", "--all", "--json"]);
    assert_eq!(run.code, 4, "{}", run.stderr);
    let sent: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let sent: Vec<_> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(sent, ["demo", "third"]);
    for told in [
        "workspace demo:",
        "workspace second:",
        "workspace third:",
        "it stays: nested is a repository of its own",
        "1 workspace(s) stay here: second",
        "ff workspace list",
    ] {
        assert!(run.stderr.contains(told), "no {told:?} in: {}", run.stderr);
    }
    let list = desktop.json(&["workspace", "list"]);
    let places = list.as_array().unwrap().iter();
    let mut places: Vec<_> = places
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["location"].as_str().unwrap(),
            )
        })
        .collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [("demo", "CLOUD"), ("second", "DESKTOP"), ("third", "CLOUD")]
    );
    let mut there: Vec<_> = server
        .client
        .workspaces()
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.name)
        .collect();
    there.sort_unstable();
    assert_eq!(there, ["demo", "third"]);
    // Once more, with what is in the way out of it.
    std::fs::remove_dir_all(desktop.worktree("second").join("nested")).unwrap();
    desktop.ok(&["send", "--all"]);
    assert_eq!(server.client.workspaces().await.unwrap().len(), 3);
}
