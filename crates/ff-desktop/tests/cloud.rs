//! `ff` and the cloud: connecting, and every way it can be missing.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::Desktop;
use common::cloud::{Cloud, Reply};

#[test]
fn connect_asks_the_server_and_remembers_it_privately() {
    let desktop = Desktop::new();
    let cloud = Cloud::empty();
    let connected = desktop.json(&["cloud", "connect", &cloud.url()]);
    assert_eq!(connected["url"], cloud.url());
    assert_eq!(connected["userId"], "test-user");
    assert!(
        cloud
            .requests()
            .iter()
            .any(|r| r.user.as_deref() == Some("test-user"))
    );
    let mode = std::fs::metadata(desktop.config_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let named = desktop.json(&["cloud", "connect", &cloud.url(), "--user", "anna"]);
    assert_eq!(named["userId"], "anna");
    let status = desktop.json(&["cloud", "status"]);
    assert_eq!(status["userId"], "anna");
    assert_eq!(status["vm"], serde_json::Value::Null);
}

#[test]
fn connect_refuses_plain_http_to_another_machine() {
    let desktop = Desktop::new();
    let run = desktop.ff(&["cloud", "connect", "http://example.test"]);
    run.failed(4, &["plain http", "ff cloud connect http://localhost:3000"]);
    let run = desktop.ff(&["cloud", "connect", "example.test"]);
    run.failed(2, &["is not the address of a server"]);
    let run = desktop.ff(&["cloud", "connect", "http://localhost:x"]);
    run.failed(2, &["is not the address of a server"]);
    let run = desktop.ff(&[
        "cloud",
        "connect",
        "http://localhost:3000",
        "--user",
        "No/Id",
    ]);
    run.failed(2, &["is not a valid user id"]);
    assert!(!desktop.config_file().exists());
}

#[test]
fn a_server_that_does_not_answer_is_not_remembered() {
    let desktop = Desktop::new();
    let url = Cloud::empty().url();
    let run = desktop.ff(&["cloud", "connect", &url]);
    run.failed(5, &["nothing listens", "failed ask", "ff cloud"]);
    assert!(!desktop.config_file().exists());
}

#[test]
fn without_a_cloud_the_way_to_one_is_told() {
    let desktop = Desktop::with_workspace();
    for args in [
        &["send", "demo"][..],
        &["pull", "demo"],
        &["cloud", "setup"],
        &["cloud", "status"],
        &["terminal", "--vm"],
    ] {
        desktop
            .ff(args)
            .failed(4, &["no cloud server is connected", "ff cloud connect URL"]);
    }
    let shown = desktop.json(&["workspace", "show", "demo"]);
    assert_eq!(
        (&shown["location"], &shown["moving"]),
        (&"DESKTOP".into(), &false.into())
    );
}

#[test]
fn a_cloud_that_went_away_stops_only_what_needs_it() {
    let desktop = Desktop::with_workspace();
    let cloud = Cloud::empty();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    drop(cloud);
    desktop
        .ff(&["send", "demo"])
        .failed(5, &["nothing listens", "ff cloud status"]);
    desktop
        .ff(&["cloud", "setup"])
        .failed(5, &["nothing listens"]);
    desktop
        .ff(&["workspace", "show", "only-the-cloud-knows"])
        .failed(5, &["nothing listens"]);
    let run = desktop.ff(&["workspace", "list"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("demo"), "{}", run.stdout);
    assert!(run.stderr.contains("nothing listens"), "{}", run.stderr);
    let shown = desktop.json(&["workspace", "show", "demo"]);
    assert_eq!(
        (&shown["location"], &shown["moving"]),
        (&"DESKTOP".into(), &false.into())
    );
}

#[test]
fn terminal_without_a_vm_names_setup() {
    let desktop = Desktop::new();
    let cloud = Cloud::empty();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    desktop
        .ff(&["terminal", "--vm"])
        .failed(3, &["you have no VM", "ff cloud setup"]);
}

#[test]
fn setup_without_a_terminal_says_what_is_left_to_do() {
    let desktop = Desktop::new();
    let cloud = Cloud::start(|request| match request.line().as_str() {
        "POST /api/vms" => Reply::Json(
            201,
            serde_json::json!({
                "id": "vm-1", "userId": "test-user", "state": "RUNNING",
                "image": "ff-vm", "createdAt": "2026-01-01T00:00:00Z",
            }),
        ),
        "PUT /api/vms/vm-1/git-identity" => Reply::Json(200, request.json()),
        line if line.starts_with("GET /api/vms/vm-1/onboarding") => Reply::Json(
            200,
            serde_json::json!({
                "github": {"loggedIn": false},
                "claude": {"loggedIn": true, "account": "me"},
                "version": "1",
                "gitIdentityMissing": ["user.email"],
                "tools": {"claude": "2.1.330", "gh": "2.23.0", "git": "2.39.5"},
                "nextStepCode": "github_login",
                "nextStep": "log in to GitHub",
            }),
        ),
        _ => Reply::empty_page(),
    });
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    let run = desktop.ff(&["cloud", "setup"]);
    assert_eq!(run.code, 6, "{}", run.stderr);
    for words in [
        "vm-1",
        "github: not logged in",
        "claude: logged in as me",
        "gh 2.23.0",
        "node does not run",
        "none (user.email missing)",
        "next: log in to GitHub",
        "not ready yet",
    ] {
        assert!(
            run.stdout.contains(words),
            "no {words:?} in: {}",
            run.stdout
        );
    }
    let run = desktop.ff(&["cloud", "setup", "--json"]);
    assert_eq!(run.code, 6, "{}", run.stderr);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["github"]["loggedIn"], false);
    assert_eq!(json["ready"], false);
    assert_eq!(json["nextStepCode"], "github_login");
    let lines = cloud.lines();
    assert!(
        !lines.iter().any(|line| line.starts_with("PUT")),
        "{lines:?}"
    );
    let identity = ["--git-name", "Zoë", "--git-email", "zoe@example.test"];
    desktop.ff(&[&["cloud", "setup"][..], &identity].concat());
    let put = cloud
        .requests()
        .into_iter()
        .find(|it| it.method == "PUT")
        .unwrap();
    assert_eq!(put.path, "/api/vms/vm-1/git-identity");
    assert_eq!(
        put.json(),
        serde_json::json!({"name": "Zoë", "email": "zoe@example.test"})
    );
}

#[test]
fn an_answer_of_the_server_keeps_its_words() {
    let desktop = Desktop::new();
    let cloud = Cloud::start(|request| match request.line().as_str() {
        "POST /api/vms" => Reply::problem(503, "compute_unavailable", "Docker does not answer"),
        _ => Reply::empty_page(),
    });
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    desktop
        .ff(&["cloud", "setup"])
        .failed(5, &["Docker does not answer", "ff cloud status"]);
}

#[test]
fn an_address_that_was_written_by_hand_is_checked_too() {
    let desktop = Desktop::new();
    let file = desktop.config_file();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(
        &file,
        r#"{"cloud": {"url": "http://example.test", "userId": "me"}}"#,
    )
    .unwrap();
    desktop
        .ff(&["cloud", "status"])
        .failed(4, &["plain http", "ff cloud connect"]);
    std::fs::write(&file, "{").unwrap();
    desktop
        .ff(&["cloud", "status"])
        .failed(1, &["is not a settings file", "config.json"]);
}
