//! `ff send` against a server that fails at each step: the workspace is always on one side.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Desktop;
use common::cloud::{Cloud, Reply, Request};
use common::served::{Served, until};
use serde_json::{Value, json};

/// What the server does at the commit, and whether it took place.
#[derive(Clone, Copy, PartialEq)]
enum Commit {
    Answers,
    LosesItsAnswer,
    BreaksBefore,
}

/// A server that plays the receiver: it takes everything and restores it as it was sent.
fn receiver(commit: Commit, committed: &Arc<AtomicBool>) -> Cloud {
    let committed = Arc::clone(committed);
    Cloud::start(move |request| {
        let path = request.path.as_str();
        let step = path.strip_prefix("/api/handoffs").map(|rest| {
            let words: Vec<&str> = rest.split('/').collect();
            words.get(2).copied().unwrap_or_default().to_owned()
        });
        match (request.method.as_str(), step.as_deref()) {
            (_, None) => Reply::empty_page(),
            ("POST", Some("commit")) => {
                if commit == Commit::BreaksBefore {
                    return Reply::Hangup;
                }
                committed.store(true, Ordering::SeqCst);
                match commit {
                    Commit::LosesItsAnswer => Reply::Hangup,
                    _ => Reply::Json(200, handoff("COMMITTED", request)),
                }
            }
            ("POST", Some("finalize")) => Reply::Json(200, handoff("FINALIZED", request)),
            ("POST", Some("restore")) => {
                Reply::Json(200, json!({"fingerprint": request.json()["fingerprint"]}))
            }
            ("PUT", Some("parts")) => Reply::Json(200, json!({})),
            ("POST", Some(_)) => Reply::Json(201, handoff("TRANSFERRING", request)),
            ("GET", Some(_)) if committed.load(Ordering::SeqCst) => {
                Reply::Json(200, handoff("COMMITTED", request))
            }
            ("GET", Some(_)) if commit == Commit::BreaksBefore => Reply::Hangup,
            ("GET", Some(_)) => Reply::problem(404, "not_found", "no such hand-off"),
            _ => Reply::Json(200, json!({})),
        }
    })
}

fn handoff(state: &str, request: &Request) -> Value {
    let id = match request.path.split('/').nth(3) {
        Some(id) => id.to_owned(),
        None => request.json()["id"].as_str().unwrap().to_owned(),
    };
    json!({
        "id": id, "workspaceId": "w", "direction": "SEND", "state": state, "epoch": 2,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    })
}

fn connected(cloud: &Cloud) -> Desktop {
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    desktop
}

fn place(desktop: &Desktop) -> (String, bool, u64) {
    let shown = desktop.json(&["workspace", "show", "demo"]);
    let location = shown["location"].as_str().unwrap().to_owned();
    (
        location,
        shown["moving"].as_bool().unwrap(),
        shown["epoch"].as_u64().unwrap(),
    )
}

#[test]
fn send_moves_the_workspace_and_reports_each_step() {
    let cloud = receiver(Commit::Answers, &Arc::default());
    let desktop = connected(&cloud);
    let run = desktop.ff(&["send", "demo", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let sent: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&sent["location"], &sent["owner"]),
        (&"CLOUD".into(), &"cloud".into())
    );
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    for step in [
        "check the workspace",
        "make the VM ready",
        "pack",
        "send",
        "restore",
        "hand over",
    ] {
        assert!(run.stderr.contains(step), "no {step:?} in: {}", run.stderr);
    }
    assert!(cloud.lines().iter().any(|line| line.ends_with("/finalize")));

    let create = cloud
        .requests()
        .into_iter()
        .find(|r| r.line() == "POST /api/handoffs")
        .unwrap();
    let create = create.json();
    assert_eq!(create["userId"], "test-user");
    assert_eq!(create["epoch"], 1);
    assert_eq!(
        create["plan"]["remoteUrl"],
        "https://git.example.test/me/app.git"
    );

    desktop
        .ff(&["send", "demo"])
        .failed(4, &["in the cloud already"]);
}

#[test]
fn what_cannot_move_is_refused_before_anything_is_asked() {
    let cloud = receiver(Commit::Answers, &Arc::default());
    let desktop = connected(&cloud);
    std::fs::create_dir_all(desktop.worktree("demo").join("nested/.git")).unwrap();
    let run = desktop.ff(&["send", "demo"]);
    run.failed(
        4,
        &[
            "nested is a repository of its own",
            "ff send demo",
            "failed check the workspace",
        ],
    );
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    assert!(
        !cloud
            .lines()
            .iter()
            .any(|line| line.contains("/api/handoffs"))
    );
}

#[test]
fn a_refusal_of_the_vm_leaves_the_workspace_here() {
    let cloud = Cloud::start(|request| match request.line().as_str() {
        "POST /api/handoffs" => {
            Reply::problem(409, "login_required", "the VM is not logged in to GitHub")
        }
        _ => Reply::empty_page(),
    });
    let desktop = connected(&cloud);
    let run = desktop.ff(&["send", "demo"]);
    run.failed(
        4,
        &[
            "not logged in to GitHub",
            "ff cloud setup",
            "stays where it was",
        ],
    );
    assert!(
        run.stderr.contains("failed make the VM ready"),
        "{}",
        run.stderr
    );
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    assert!(
        cloud
            .lines()
            .iter()
            .any(|line| line.starts_with("DELETE /api/handoffs/"))
    );
}

#[test]
fn another_fingerprint_stops_the_move() {
    let cloud = Cloud::start(|request| match request.path.rsplit('/').next() {
        Some("handoffs") => Reply::Json(201, handoff("TRANSFERRING", request)),
        Some("restore") => {
            let mut fingerprint = request.json()["fingerprint"].clone();
            fingerprint["tree"] = "0".repeat(40).into();
            Reply::Json(200, json!({"fingerprint": fingerprint}))
        }
        _ => Reply::empty_page(),
    });
    let desktop = connected(&cloud);
    desktop
        .ff(&["send", "demo"])
        .failed(1, &["fingerprints differ", "ff send demo"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    assert!(!cloud.lines().iter().any(|line| line.ends_with("/commit")));
}

#[test]
fn a_lost_answer_to_the_commit_is_asked_for() {
    let cloud = receiver(Commit::LosesItsAnswer, &Arc::default());
    let desktop = connected(&cloud);
    let run = desktop.ff(&["send", "demo"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
}

#[test]
fn an_unknown_outcome_keeps_both_sides_off_until_the_server_tells() {
    let committed = Arc::new(AtomicBool::new(false));
    let cloud = receiver(Commit::BreaksBefore, &committed);
    let desktop = connected(&cloud);
    let run = desktop.ff(&["send", "demo"]);
    run.failed(5, &["not known yet", "ff send"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), true, 1));
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "x"]);
    run.failed(4, &["being moved"]);

    committed.store(true, Ordering::SeqCst);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
}

#[test]
fn what_idles_under_serve_ends_in_order_and_what_works_stops_the_move() {
    let cloud = receiver(Commit::Answers, &Arc::default());
    let desktop = Desktop::with_cli();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    let served = Served::on(&desktop);
    desktop.ok(&["session", "start", "demo", "--prompt", "HANG", "--detach"]);
    until("it works", || desktop.has_heard("HANG"));
    desktop
        .ff(&["send", "demo"])
        .failed(4, &["in the middle of a turn"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 1));
    let sessions = desktop.json(&["session", "list", "demo"]);
    let id = sessions[0]["id"].as_str().unwrap();
    desktop.ok(&["session", "interrupt", "demo", id]);
    assert!(desktop.processes()[0].1, "its process idles");
    desktop.ok(&["send", "demo"]);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    assert!(desktop.processes().iter().all(|(_, lives)| !lives));
    let workspace = sessions[0]["workspaceId"].as_str().unwrap();
    let session = served.get(&format!("/api/workspaces/{workspace}/sessions/{id}"));
    assert_eq!(session["status"], "IDLE", "{session}");
    assert_eq!(session["lastTurn"]["outcome"], "interrupted");
}
