//! What was made in the copy that stayed, and what is left when the cloud is gone.

use ff_protocol::ErrorCode;
use ff_protocol::session::StartSession;

use super::common::served::until;
use super::common::server::REMOTE;
use super::common::{Desktop, git};
use super::{connected, place};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_copy_stops_a_pull_and_is_kept_beside_it_when_asked() {
    let (desktop, _server) = connected().await;
    let worktree = desktop.worktree("demo");
    desktop.ok(&["send", "demo"]);
    std::fs::write(worktree.join("README.md"), "edited here\n").unwrap();
    std::fs::write(worktree.join("late.txt"), "late\n").unwrap();
    let shown = desktop.ok(&["workspace", "show", "demo"]);
    assert!(shown.contains("changed since"), "{shown}");
    let refused = desktop.ff(&["pull", "demo"]);
    refused.failed(4, &["was changed since", "--keep-both"]);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    assert!(worktree.join("late.txt").exists());

    let run = desktop.ff(&["pull", "demo", "--keep-both"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("demo (kept)"), "{}", run.stderr);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 3));
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "");
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "demo");
    let kept = desktop.worktree("demo (kept)");
    assert_eq!(git(&kept, &["branch", "--show-current"]), "demo-kept");
    let changes = git(&kept, &["status", "--porcelain"]);
    assert_eq!(changes, "M README.md\n?? late.txt");
    let read = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    assert_eq!(
        (read("README.md"), read("late.txt")),
        ("edited here\n".into(), "late\n".into())
    );
    // Both are workspaces like any other.
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["send", "demo (kept)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_the_middle_of_a_rebase_goes_on_after_pull_keep_both() {
    let (desktop, _server) = connected().await;
    let worktree = desktop.worktree("demo");
    let repo = desktop.path("app");
    let commit = |dir: &std::path::Path, text: &str| {
        std::fs::write(dir.join("f"), text).unwrap();
        git(dir, &["add", "f"]);
        git(dir, &["commit", "--quiet", "-m", text]);
    };
    commit(&repo, "theirs");
    commit(&worktree, "ours");
    let status = std::process::Command::new("git")
        .args(["rebase", "--quiet", "main"])
        .current_dir(&worktree)
        .output()
        .unwrap();
    assert!(!status.status.success(), "it meets no conflict");
    let middle = git(&worktree, &["status"]);
    assert!(middle.contains("rebasing branch 'demo'"), "{middle}");
    desktop.ok(&["send", "demo"]);
    std::fs::write(worktree.join("f"), "solved\n").unwrap();
    desktop.ff(&["pull", "demo"]).failed(4, &["--keep-both"]);
    desktop.ok(&["pull", "demo", "--keep-both"]);
    assert_eq!(git(&worktree, &["status"]), middle);

    let kept = desktop.worktree("demo (kept)");
    let told = git(&kept, &["status"]).replace("demo-kept", "demo");
    assert_eq!(told, middle);
    git(&kept, &["add", "f"]);
    git(&kept, &["-c", "core.editor=true", "rebase", "--continue"]);
    assert_eq!(git(&kept, &["branch", "--show-current"]), "demo-kept");
    assert_eq!(git(&kept, &["log", "--format=%s", "-2"]), "ours\ntheirs");
    assert_eq!(git(&worktree, &["status"]), middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_taken_back_from_a_cloud_that_is_gone_for_good() {
    let (desktop, mut server) = connected().await;
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("new.txt"), "not committed\n").unwrap();
    desktop.ok(&["send", "demo"]);
    server.stop();
    let refused = desktop.ff(&["workspace", "reclaim", "demo"]);
    refused.failed(4, &["--yes"]);
    let refused = desktop.ff(&["workspace", "reclaim", "demo", "--yes"]);
    refused.failed(5, &["--offline"]);
    assert_eq!(
        desktop.json(&["workspace", "show", "demo"])["location"],
        "CLOUD"
    );
    let taken = desktop.json(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    assert_eq!(
        (&taken["location"], &taken["epoch"]),
        (&"DESKTOP".into(), &3.into())
    );
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "demo");
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "?? new.txt");
    let again = desktop.ff(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    again.failed(4, &["already"]);

    // Should it come back after all, it hears that it lost.
    server.start_again();
    desktop.ok(&["workspace", "list"]);
    let row = server.client.workspaces().await.unwrap().remove(0);
    assert_eq!(
        (row.owner.to_string(), row.epoch),
        (taken["owner"].as_str().unwrap().into(), 3)
    );
    let begin = StartSession::default();
    let session = server.client.engine().start_session(&row.id, &begin).await;
    let code = session.unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::NotOwner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_stayed_is_made_a_workspace_while_the_cloud_is_gone() {
    let (desktop, mut server) = connected().await;
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("new.txt"), "not committed\n").unwrap();
    desktop.ok(&["send", "demo"]);
    server.stop();
    let kept = desktop.json(&["workspace", "restore", "demo"]);
    assert_eq!(kept["name"], "demo (kept)");
    let path = std::path::PathBuf::from(kept["worktreePath"].as_str().unwrap());
    assert_eq!(git(&path, &["branch", "--show-current"]), "demo-kept");
    assert_eq!(git(&path, &["status", "--porcelain"]), "?? new.txt");
    assert!(!worktree.exists());
    let none = desktop.ff(&["workspace", "restore", "demo"]);
    none.failed(3, &["no copy"]);
    let none = desktop.ff(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    none.failed(3, &["no copy"]);
    // What is in the cloud is untouched, should it come back.
    server.start_again();
    desktop.ok(&["pull", "demo"]);
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "?? new.txt");
}

/// What was made in the VM's copy while the desktop had the workspace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_copy_in_the_vm_stops_a_send_and_is_kept_beside_it_when_asked() {
    let (desktop, server) = connected().await;
    let worktree = desktop.worktree("demo");
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["pull", "demo"]);
    server.write_there("late.txt", b"late\n");
    let refused = desktop.ff(&["send", "demo"]);
    refused.failed(4, &["stayed in the VM", "was changed since", "--keep-both"]);
    assert!(refused.stderr.contains("`ff send "), "{}", refused.stderr);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 3));
    let late = server.worktree().join("late.txt");
    assert_eq!(std::fs::read_to_string(&late).unwrap(), "late\n");

    std::fs::write(worktree.join("more.txt"), "more\n").unwrap();
    desktop.ok(&["send", "demo", "--keep-both"]);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 4));
    let kept = in_cloud(&desktop, "demo (kept)");
    let kept = server.worktree_of(&kept);
    assert_eq!(server.git_in(&kept, "status --porcelain"), "?? late.txt");
    assert_eq!(server.git_in(&kept, "branch --show-current"), "demo-kept");
    let there = server.worktree_of(&in_cloud(&desktop, "demo"));
    assert_eq!(server.git_in(&there, "status --porcelain"), "?? more.txt");
    // It can go the way of any workspace.
    desktop.ok(&["pull", "demo (kept)", "--project", "app"]);
    let here = desktop.worktree("demo (kept)");
    assert_eq!(
        std::fs::read_to_string(here.join("late.txt")).unwrap(),
        "late\n"
    );
}

/// Whoever takes a workspace from a side that is gone leaves behind what that side has not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_a_side_that_lost_the_workspace_is_not_replaced_by_the_next_move() {
    let (desktop, server) = connected().await;
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["workspace", "reclaim", "demo", "--yes"]);
    // The VM has heard of it by now, and has done nothing: its copy is what the desktop has as well.
    desktop.ok(&["send", "demo"]);

    server.git_there("commit --quiet --allow-empty -m unsent");
    server.write_there("unsent.txt", b"unsent\n");
    let unsent = server.git_there("rev-parse HEAD");
    desktop.ok(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    desktop.ok(&["workspace", "list"]);
    desktop
        .ff(&["send", "demo"])
        .failed(4, &["was changed since", "--keep-both"]);
    assert_eq!(server.git_there("rev-parse HEAD"), unsent);
    desktop.ok(&["send", "demo", "--keep-both"]);
    let kept = server.worktree_of(&in_cloud(&desktop, "demo (kept)"));
    assert_eq!(server.git_in(&kept, "rev-parse HEAD"), unsent);
    assert_eq!(server.git_in(&kept, "status --porcelain"), "?? unsent.txt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_a_desktop_that_lost_the_workspace_is_not_replaced_by_the_next_pull() {
    let (desktop, _server) = connected().await;
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["pull", "demo"]);
    let worktree = desktop.worktree("demo");
    git(
        &worktree,
        &["commit", "--quiet", "--allow-empty", "-m", "unsent"],
    );
    std::fs::write(worktree.join("unsent.txt"), "unsent\n").unwrap();
    let unsent = git(&worktree, &["rev-parse", "HEAD"]);
    desktop.ok(&["workspace", "reclaim", "demo", "--cloud", "--yes"]);
    let shown = desktop.json(&["workspace", "show", "demo"]);
    assert_eq!(
        (&shown["location"], &shown["kept"]["edited"]),
        (&"CLOUD".into(), &true.into())
    );
    desktop
        .ff(&["pull", "demo"])
        .failed(4, &["was changed since", "--keep-both"]);
    desktop.ok(&["pull", "demo", "--keep-both"]);
    let kept = desktop.worktree("demo (kept)");
    assert_eq!(git(&kept, &["rev-parse", "HEAD"]), unsent);
    assert_eq!(git(&kept, &["status", "--porcelain"]), "?? unsent.txt");
}

/// To each desktop the project is one of its own, and so it is in the VM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_the_vm_is_one_of_the_workspace_whichever_project_it_comes_to_next() {
    let (first, server) = connected().await;
    let second = Desktop::new();
    let (from, to) = (first.path("app"), second.path("app"));
    git(&from, &["clone", "--quiet", ".", to.to_str().unwrap()]);
    git(&to, &["remote", "set-url", "origin", REMOTE]);
    git(&to, &["config", "user.name", "Test"]);
    git(&to, &["config", "user.email", "test@example.test"]);
    second.ok(&["project", "add", to.to_str().unwrap()]);
    second.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    first.ok(&["send", "demo"]);
    let of_first = server.worktree();
    second.ok(&["pull", "demo", "--project", "app"]);
    std::fs::write(second.worktree("demo").join("second.txt"), "second\n").unwrap();
    second.ok(&["send", "demo"]);
    assert!(!of_first.exists(), "the copy that stayed was not replaced");
    let of_second = server.worktree();

    first.ok(&["pull", "demo"]);
    server.write_there("precious.txt", b"precious\n");
    server.git_there("commit --quiet --allow-empty -m precious");
    server.git_there("branch precious");
    let refused = first.ff(&["send", "demo"]);
    refused.failed(4, &["stayed in the VM", "--keep-both"]);
    let precious = std::fs::read_to_string(of_second.join("precious.txt"));
    assert_eq!(precious.unwrap(), "precious\n");
    assert_eq!(
        server.git_in(&of_second, "log -1 --format=%s precious"),
        "precious"
    );

    first.ok(&["send", "demo", "--keep-both"]);
    let kept = server.worktree_of(&in_cloud(&first, "demo (kept)"));
    assert_eq!(server.git_in(&kept, "log -1 --format=%s"), "precious");
    assert_eq!(
        server.git_in(&kept, "status --porcelain"),
        "?? precious.txt\n?? second.txt"
    );
    let there = server.worktree_of(&in_cloud(&first, "demo"));
    assert_eq!(server.git_in(&there, "status --porcelain"), "?? second.txt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_whose_send_was_cut_is_taken_back_when_the_server_is_gone_for_good() {
    let (desktop, mut server) = connected().await;
    let ticket = desktop.path("ticket");
    std::fs::write(&ticket, "move.carried").unwrap();
    let mut command = desktop.command(&["send", "demo"]);
    let died = command.env("FF_CRASH_TICKET", &ticket).output().unwrap();
    assert!(!died.status.success() && !ticket.exists(), "{died:?}");
    server.stop();
    let start = desktop.ff(&["workspace", "rename", "demo", "other"]);
    assert_eq!(start.code, 4, "{}", start.stderr);
    desktop.ok(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 3));
    desktop.ok(&["workspace", "rename", "demo", "other"]);

    server.start_again();
    desktop.ok(&["send", "other"]);
    assert_eq!(
        desktop.json(&["workspace", "show", "other"])["location"],
        "CLOUD"
    );
}

/// The id of a workspace of this name that is in the cloud, once the server knows it.
fn in_cloud(desktop: &Desktop, name: &str) -> String {
    let find = || {
        let list = desktop.json(&["workspace", "list"]);
        let list = list.as_array().unwrap().iter();
        let mut found = list.filter(|it| it["name"] == name && it["location"] == "CLOUD");
        found.next().map(|it| it["id"].as_str().unwrap().to_owned())
    };
    until("the server knows it", || find().is_some());
    find().unwrap()
}
