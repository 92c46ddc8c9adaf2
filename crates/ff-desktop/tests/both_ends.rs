//! Workspaces that are or were in the cloud, between the real `ff` and the real server with its agent:
//! each is found by its name, and goes from all lists once its user deletes it.

#![allow(clippy::unwrap_used)]

mod common;

use common::server::{REMOTE, Server};
use common::{Desktop, git};
use serde_json::Value;

/// A desktop with a workspace `demo` that is in its VM now, on a server of its own.
async fn sent() -> (Desktop, Server) {
    let desktop = Desktop::with_workspace();
    let server = Server::with_vm_for(&desktop).await;
    desktop.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    desktop.ok(&["send", "demo"]);
    let rows = server.client.workspaces().await.unwrap();
    assert_eq!(rows.len(), 1);
    (desktop, server)
}

async fn delete_vm(server: &Server) {
    let vm = server.client.vms().await.unwrap().remove(0);
    server.client.delete_vm(&vm.id).await.unwrap();
}

fn listed(desktop: &Desktop) -> Vec<Value> {
    let list = desktop.json(&["workspace", "list"]);
    list.as_array().unwrap().clone()
}

async fn gone(desktop: &Desktop, server: &Server) {
    assert_eq!(listed(desktop), Vec::<Value>::new());
    assert_eq!(server.client.workspaces().await.unwrap(), []);
    let worktrees = desktop.path("home/factory-factory/worktrees/app");
    let left = std::fs::read_dir(worktrees).unwrap().count();
    assert_eq!(left, 0, "a copy of it stays");
    let branch = git(&desktop.path("app"), &["rev-parse", "demo"]);
    assert!(!branch.is_empty(), "its branch is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_deleted_in_the_cloud_is_gone_here_too() {
    let (desktop, server) = sent().await;
    let row = listed(&desktop).remove(0);
    assert_eq!(
        (&row["location"], &row["status"]),
        (&"CLOUD".into(), &"READY".into())
    );
    desktop.ok(&["workspace", "delete", "demo", "--yes"]);
    gone(&desktop, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_went_with_its_vm_is_told_as_missing_and_can_be_deleted() {
    let (desktop, server) = sent().await;
    let archived = desktop.json(&["workspace", "archive", "demo"]);
    assert_eq!(archived["status"], "ARCHIVED");
    assert_eq!(
        listed(&desktop)[0]["status"],
        "ARCHIVED",
        "the mirror tells"
    );
    delete_vm(&server).await;
    assert_eq!(listed(&desktop)[0]["missing"], true);
    let list = desktop.ok(&["workspace", "list"]);
    assert!(list.contains("CLOUD (missing)"), "{list}");
    let run = desktop.ff(&["workspace", "archive", "demo"]);
    run.failed(
        3,
        &[
            "the cloud has no workspace demo any more",
            "ff workspace delete",
        ],
    );
    let run = desktop.ff(&["workspace", "delete", "demo"]);
    run.failed(4, &["what this machine keeps of it", "--yes"]);
    desktop.ok(&["workspace", "delete", "demo", "--yes"]);
    gone(&desktop, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_renamed_in_the_cloud_is_found_here_by_its_new_name() {
    let (desktop, server) = sent().await;
    desktop.ok(&["workspace", "rename", "demo", "other"]);
    assert_eq!(listed(&desktop)[0]["name"], "other");
    assert_eq!(
        desktop.json(&["workspace", "show", "other"])["name"],
        "other"
    );
    let run = desktop.ff(&["workspace", "show", "demo"]);
    run.failed(3, &["there is no workspace `demo`"]);
    desktop.ok(&["workspace", "delete", "other", "--yes"]);
    gone(&desktop, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_came_back_is_gone_from_the_cloud_s_list_too() {
    let (desktop, server) = sent().await;
    desktop.ok(&["pull", "demo"]);
    delete_vm(&server).await;
    assert_eq!(listed(&desktop)[0]["location"], "DESKTOP");
    desktop.ok(&["workspace", "delete", "demo", "--yes"]);
    gone(&desktop, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_deleted_here_while_the_cloud_was_away_can_be_deleted_from_its_list() {
    let (desktop, server) = sent().await;
    desktop.ok(&["pull", "demo"]);
    let config = std::fs::read(desktop.config_file()).unwrap();
    let away = r#"{"cloud": {"url": "http://127.0.0.1:1", "userId": "test-user"}}"#;
    std::fs::write(desktop.config_file(), away).unwrap();
    desktop.ok(&["workspace", "delete", "demo", "--yes"]);
    std::fs::write(desktop.config_file(), config).unwrap();
    let row = listed(&desktop).remove(0);
    assert_eq!(row["location"], "DESKTOP");
    desktop.ok(&["workspace", "delete", "demo", "--yes"]);
    gone(&desktop, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_cloud_is_gone_for_good_is_forgotten_only_when_asked() {
    let (desktop, server) = sent().await;
    let run = desktop.ff(&["workspace", "delete", "demo", "--yes", "--forget"]);
    run.failed(4, &["is not lost", "leave out --forget"]);
    drop(server);
    let run = desktop.ff(&["workspace", "delete", "demo", "--yes"]);
    run.failed(5, &["nothing listens"]);
    desktop.ok(&["workspace", "delete", "demo", "--yes", "--forget"]);
    std::fs::remove_file(desktop.config_file()).unwrap();
    assert_eq!(listed(&desktop), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_comes_to_a_desktop_that_never_had_it_and_goes_on_from_there() {
    let (first, server) = sent().await;
    let second = Desktop::new();
    second.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    let id = listed(&second)[0]["id"].as_str().unwrap().to_owned();
    let copy = first.path(&format!(
        "home/factory-factory/worktrees/app/workspace-{id}"
    ));
    let run = second.ff(&["pull", "demo"]);
    run.failed(3, &["is no project of this machine", "--project"]);
    let bare = first.path("remote.git");
    let (from, to) = (bare.to_str().unwrap(), second.path("clone"));
    git(&bare, &["clone", "--quiet", from, to.to_str().unwrap()]);
    git(&to, &["remote", "set-url", "origin", REMOTE]);
    second.ok(&["project", "add", to.to_str().unwrap()]);
    let run = second.ff(&["pull", "demo", "--project", "other"]);
    run.failed(3, &["there is no project `other`"]);

    let pulled = second.json(&["pull", "demo", "--project", "clone"]);
    assert_eq!(
        (&pulled["id"], &pulled["location"]),
        (&id.as_str().into(), &"DESKTOP".into())
    );
    let here = second.worktree("demo");
    assert_eq!(git(&here, &["branch", "--show-current"]), "demo");
    let head = git(&here, &["rev-parse", "HEAD"]);
    assert_eq!(head, git(&copy, &["rev-parse", "HEAD"]));
    assert_eq!(git(&to, &["for-each-ref", "refs/ff"]), "");
    let run = first.ff(&["pull", "demo"]);
    run.failed(4, &["is not in the cloud: desktop:"]);

    std::fs::write(here.join("README.md"), "hello from the second\n").unwrap();
    second.ok(&["send", "demo"]);
    first.ok(&["pull", "demo"]);
    let text = std::fs::read_to_string(copy.join("README.md")).unwrap();
    assert_eq!(text, "hello from the second\n");
    let run = second.ff(&["send", "demo"]);
    run.failed(4, &["desktop:"]);
}
