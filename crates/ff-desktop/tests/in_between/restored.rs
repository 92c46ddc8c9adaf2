//! The server's database as it was before a hand-off.

use std::path::PathBuf;

use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, WorkspaceId};
use ff_testkit::journey::outside::sqlite_texts;

use super::common::server::Server;
use super::common::{Desktop, git};
use super::{connected, place};

/// The server's database, copied while the server is down.
struct Backup {
    files: Vec<(PathBuf, Vec<u8>)>,
}

fn database(server: &Server) -> Vec<PathBuf> {
    ["cloud.db", "cloud.db-wal", "cloud.db-shm"]
        .map(|name| server.data_dir().join(name))
        .into()
}

impl Backup {
    fn of(server: &mut Server) -> Self {
        server.stop();
        let files = database(server).into_iter().filter(|path| path.exists());
        let files = files.map(|path| (path.clone(), std::fs::read(path).unwrap()));
        let backup = Self {
            files: files.collect(),
        };
        assert!(!backup.files.is_empty());
        server.start_again();
        backup
    }

    fn restore(&self, server: &mut Server) {
        self.put_back(server);
        server.start_again();
    }

    /// As [`Self::restore`], and the server stays down.
    fn put_back(&self, server: &mut Server) {
        server.stop();
        for path in database(server).iter().filter(|path| path.exists()) {
            std::fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.files {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

async fn workspace(server: &Server) -> WorkspaceId {
    server.client.workspaces().await.unwrap().remove(0).id
}

async fn cloud_says(server: &Server) -> (Owner, u64) {
    let row = server.client.workspaces().await.unwrap().remove(0);
    (row.owner, row.epoch)
}

/// Who owns the workspace by the desktop's word.
fn desktop_says(desktop: &Desktop) -> (Owner, u64) {
    let shown = desktop.json(&["workspace", "show", "demo"]);
    let owner = serde_json::from_value(shown["owner"].clone()).unwrap();
    (owner, shown["epoch"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_from_before_a_pull_does_not_make_the_vm_an_owner_and_follows_the_desktop() {
    let (desktop, mut server) = connected().await;
    desktop.ok(&["send", "demo"]);
    let backup = Backup::of(&mut server);
    desktop.ok(&["pull", "demo"]);
    let (me, _) = desktop_says(&desktop);
    backup.restore(&mut server);

    // Whatever the server believes, the VM knows better.
    let id = workspace(&server).await;
    let acting = server
        .client
        .engine()
        .start_session(&id, &Default::default())
        .await;
    let code = acting.unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::NotOwner));
    assert_eq!(desktop_says(&desktop), (me.clone(), 3));
    assert_eq!(cloud_says(&server).await, (me, 3));
    desktop.ok(&["send", "demo"]);
    assert_eq!(cloud_says(&server).await, (Owner::Cloud, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_from_before_a_send_does_not_give_the_workspace_back_to_the_desktop() {
    let (desktop, mut server) = connected().await;
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["pull", "demo"]);
    let backup = Backup::of(&mut server);
    let head = {
        let worktree = desktop.worktree("demo");
        git(
            &worktree,
            &["commit", "--quiet", "--allow-empty", "-m", "work"],
        );
        git(&worktree, &["rev-parse", "HEAD"])
    };
    desktop.ok(&["send", "demo"]);
    backup.restore(&mut server);

    // It begins where the workspace is, or nowhere.
    desktop.ff(&["session", "start", "demo", "--detach", "--prompt", "x"]);
    let records = desktop.path("data/factory-factory/core.db");
    let begun = sqlite_texts(&records, "SELECT id FROM sessions").await;
    let none: [&str; 0] = [];
    assert_eq!(
        begun.unwrap(),
        none,
        "the desktop acts on what it gave away"
    );
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 4));
    assert_eq!(cloud_says(&server).await, (Owner::Cloud, 4));
    desktop.ok(&["pull", "demo", "--interrupt"]);
    assert_eq!(git(&desktop.worktree("demo"), &["rev-parse", "HEAD"]), head);
}

/// The server has never heard of the workspace; its VM has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_from_before_the_first_send_finds_the_workspace_in_the_vm() {
    let (desktop, mut server) = connected().await;
    let backup = Backup::of(&mut server);
    let path = desktop.worktree("demo");
    git(&path, &["commit", "--quiet", "--allow-empty", "-m", "work"]);
    let head = git(&path, &["rev-parse", "HEAD"]);
    desktop.ok(&["send", "demo"]);
    backup.put_back(&mut server);
    let rows = sqlite_texts(&database(&server)[0], "SELECT id FROM workspaces").await;
    let none: [&str; 0] = [];
    assert_eq!(rows.unwrap(), none);
    server.start_again();

    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    desktop.ok(&["pull", "demo"]);
    assert_eq!(git(&path, &["rev-parse", "HEAD"]), head);
    assert_eq!(cloud_says(&server).await.1, 3);
}

/// Two machines of one user, of which each had taken the workspace from a cloud that they could
/// not ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_at_one_epoch_are_a_conflict_that_a_person_settles() {
    let (first, mut server) = connected().await;
    first.ok(&["send", "demo"]);
    let second = first.twin().await;
    second.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    second.ok(&["pull", "demo"]);
    second.ok(&["send", "demo"]);
    first.ok(&["workspace", "list"]);
    let backup = Backup::of(&mut server);
    second.ok(&["pull", "demo"]);
    // The server is as it was at epoch 4; `second` owns the workspace at 5, and the VM would tell.
    backup.put_back(&mut server);
    let path = first.path("home/factory-factory/worktrees/app");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 1, "a copy stayed");
    first.ok(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    server.start_again();
    first.ok(&["workspace", "list"]);
    second.ok(&["workspace", "list"]);
    first.ok(&["workspace", "list"]);

    assert_eq!(cloud_says(&server).await, (Owner::Contested, 5));
    for desktop in [&first, &second] {
        let shown = desktop.json(&["workspace", "show", "demo"]);
        assert_eq!(shown["location"], "CONFLICT", "{shown}");
        let start = desktop.ff(&["session", "start", "demo", "--prompt", "x"]);
        start.failed(4, &["ff workspace reclaim"]);
        let run = desktop.ff(&["workspace", "run", "start", "demo"]);
        run.failed(4, &["ff workspace reclaim"]);
        let send = desktop.ff(&["send", "demo"]);
        send.failed(4, &["ff workspace reclaim"]);
        let pull = desktop.ff(&["pull", "demo"]);
        pull.failed(4, &["ff workspace reclaim"]);
    }
    second.ok(&["workspace", "reclaim", "demo", "--yes"]);
    let (owner, epoch) = desktop_says(&second);
    assert_eq!(epoch, 6);
    assert_eq!(cloud_says(&server).await, (owner.clone(), 6));
    assert_eq!(desktop_says(&first), (owner, 6));
    let start = first.ff(&["session", "start", "demo", "--prompt", "x"]);
    assert_eq!(start.code, 4, "{}", start.stderr);
    second.ok(&["send", "demo"]);
    assert_eq!(cloud_says(&server).await, (Owner::Cloud, 7));
}
