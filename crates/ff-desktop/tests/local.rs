//! `ff` on its own: projects, workspaces, the command line.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Desktop, git};

#[test]
fn project_is_added_once_however_often_it_is_named() {
    let desktop = Desktop::new();
    let repo = desktop.repository("my-app");
    let first = desktop.json(&["project", "add", repo.to_str().unwrap()]);
    assert_eq!(first["name"], "My App");
    assert_eq!(first["defaultBranch"], "main");
    let again = desktop.json(&["project", "add", repo.to_str().unwrap()]);
    assert_eq!(again["id"], first["id"]);
    let list = desktop.json(&["project", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        list[0]["repoPath"],
        repo.canonicalize().unwrap().to_str().unwrap()
    );
}

#[test]
fn what_is_no_repository_is_refused() {
    let desktop = Desktop::new();
    let plain = desktop.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let run = desktop.ff(&["project", "add", plain.to_str().unwrap()]);
    run.failed(2, &["is not a git checkout", "git init"]);
    let run = desktop.ff(&["project", "add", "/nowhere/at/all"]);
    run.failed(2, &["/nowhere/at/all"]);
    assert_eq!(
        desktop.json(&["project", "list"]).as_array().unwrap().len(),
        0
    );
}

#[test]
fn workspace_is_a_branch_with_a_checkout_of_its_own() {
    let desktop = Desktop::with_workspace();
    let made = desktop.json(&["workspace", "new", "second", "--project", "app"]);
    assert_eq!(made["branchName"], "second");
    let worktree = desktop.worktree("second");
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "second");

    let list = desktop.json(&["workspace", "list"]);
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["demo", "second"]);
    let text = desktop.ok(&["workspace", "list"]);
    assert!(
        text.contains("DESKTOP") && text.contains("second"),
        "{text}"
    );
}

#[test]
fn show_tells_owner_epoch_branch_and_sessions() {
    let desktop = Desktop::with_workspace();
    let shown = desktop.json(&["workspace", "show", "demo"]);
    assert_eq!(shown["location"], "DESKTOP");
    assert_eq!(shown["epoch"], 1);
    assert_eq!(shown["branchName"], "demo");
    assert_eq!(shown["moving"], false);
    assert_eq!(shown["status"], "READY");
    assert_eq!(shown["pr"]["state"], "NONE");
    assert_eq!(shown["ratchet"]["enabled"], false);
    assert_eq!(shown["sessions"], serde_json::json!([]));
    assert!(shown["owner"].as_str().unwrap().starts_with("desktop:"));

    let id = shown["id"].as_str().unwrap();
    for name in [id, &id[..30]] {
        assert_eq!(
            desktop.json(&["workspace", "show", name])["id"],
            id,
            "{name}"
        );
    }
    let text = desktop.ok(&["workspace", "show", "demo"]);
    assert!(text.contains("location: DESKTOP"), "{text}");
}

#[test]
fn unknown_names_are_not_found() {
    let desktop = Desktop::with_workspace();
    for args in [
        &["workspace", "show", "nothing"][..],
        &["session", "list", "nothing"],
        &["session", "start", "nothing", "--prompt", "x"],
        &["terminal", "nothing"],
    ] {
        desktop
            .ff(args)
            .failed(3, &["nothing", "ff workspace list"]);
    }
    let run = desktop.ff(&["session", "show", "demo", "nothing"]);
    run.failed(
        3,
        &["there is no session `nothing`", "ff session list demo"],
    );
    let run = desktop.ff(&["workspace", "new", "x", "--project", "nothing"]);
    run.failed(3, &["there is no project `nothing`", "ff project list"]);
}

#[test]
fn a_name_two_workspaces_have_is_not_guessed() {
    let desktop = Desktop::with_workspace();
    desktop.ok(&["workspace", "new", "demo"]);
    let run = desktop.ff(&["workspace", "show", "demo"]);
    run.failed(2, &["may mean 2 workspaces", "use one of"]);
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    let desktop = Desktop::new();
    desktop.ff(&["workspace", "destroy"]).failed(2, &["--help"]);
    desktop.ff(&["terminal"]).failed(2, &["--vm"]);
    desktop
        .ff(&["terminal", "--vm", "--json"])
        .failed(2, &["no JSON form"]);
    let help = desktop.ok(&["--help"]);
    assert!(help.contains("Exit codes"), "{help}");
    assert!(desktop.ok(&["--version"]).starts_with("ff "));
}

#[test]
fn without_a_project_the_way_to_one_is_told() {
    let desktop = Desktop::new();
    let run = desktop.ff(&["workspace", "new", "x"]);
    run.failed(3, &["there is no project yet", "ff project add"]);
    assert_eq!(desktop.ok(&["workspace", "list"]), "");
}

#[test]
fn records_are_private_and_lie_under_xdg_directories() {
    let desktop = Desktop::with_workspace();
    let data = desktop.path("data/factory-factory");
    assert!(data.join("core.db").is_file());
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let home: Vec<_> = std::fs::read_dir(desktop.path("home")).unwrap().collect();
    assert_eq!(home.len(), 1, "{home:?}");
}

#[test]
fn session_without_a_cli_fails_with_the_reason() {
    let desktop = Desktop::with_workspace();
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "hello"]);
    run.failed(1, &["claude", "ff session show"]);
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions[0]["status"], "FAILED");
    let id = sessions[0]["id"].as_str().unwrap();
    let shown = desktop.json(&["session", "show", "demo", id]);
    assert_eq!(shown["messages"][0]["payload"]["text"], "hello");
}

#[test]
fn session_on_this_machine_cannot_detach() {
    let desktop = Desktop::with_workspace();
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "x", "--detach"]);
    run.failed(4, &["cannot detach", "ff send"]);
    assert_eq!(
        desktop.json(&["session", "list", "demo"]),
        serde_json::json!([])
    );
    let run = desktop.ff(&["session", "start", "demo", "--prompt", " "]);
    run.failed(2, &["the prompt is empty"]);
}
