//! `ff pull` of what was sent before, from a server that kept it and gives it back.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::cloud::{Cloud, Reply, Request};
use common::{Desktop, git};
use serde_json::{Value, json};

/// What the server keeps of a workspace, and how it spoils what it gives back.
#[derive(Default)]
struct Kept {
    manifest: Value,
    parts: HashMap<String, Vec<u8>>,
    spoil: Option<fn(&mut Vec<u8>)>,
}

fn keeper(kept: &Arc<Mutex<Kept>>) -> Cloud {
    let kept = Arc::clone(kept);
    Cloud::start(move |request| {
        let mut kept = kept.lock().unwrap();
        let words: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), words.as_slice()) {
            ("POST", ["api", "handoffs"]) => begin(&kept, request),
            ("PUT", ["api", "handoffs", _, "parts", sha]) => {
                kept.parts.insert((*sha).to_owned(), request.body.clone());
                Reply::Json(200, json!({}))
            }
            ("GET", ["api", "handoffs", _, "parts", sha]) => {
                let mut bytes = kept.parts[*sha].clone();
                if let Some(spoil) = kept.spoil {
                    spoil(&mut bytes);
                }
                Reply::Bytes(bytes)
            }
            ("POST", ["api", "handoffs", _, "restore"]) => {
                kept.manifest = request.json();
                Reply::Json(200, json!({"fingerprint": kept.manifest["fingerprint"]}))
            }
            ("POST", ["api", "handoffs", id, _]) => {
                Reply::Json(200, handoff(id, "COMMITTED", Value::Null))
            }
            _ => Reply::empty_page(),
        }
    })
}

fn begin(kept: &Kept, request: &Request) -> Reply {
    let create = request.json();
    let id = create["id"].as_str().unwrap();
    if create["direction"] == "SEND" {
        return Reply::Json(201, handoff(id, "TRANSFERRING", Value::Null));
    }
    let mut manifest = kept.manifest.clone();
    manifest["handoffId"] = create["id"].clone();
    manifest["from"] = "cloud".into();
    manifest["to"] = format!("desktop:{}", create["desktopId"].as_str().unwrap()).into();
    manifest["epoch"] = (create["epoch"].as_u64().unwrap() + 1).into();
    Reply::Json(201, handoff(id, "TRANSFERRING", manifest))
}

fn handoff(id: &str, state: &str, manifest: Value) -> Value {
    json!({
        "id": id, "workspaceId": "w", "direction": "PULL", "state": state, "epoch": 3,
        "manifest": manifest,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    })
}

/// A desktop whose workspace `demo` has been sent with a commit of its own.
fn sent(cloud: &Cloud) -> (Desktop, String) {
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("work.txt"), "done\n").unwrap();
    git(&worktree, &["add", "."]);
    git(&worktree, &["commit", "--quiet", "-m", "work"]);
    let head = git(&worktree, &["rev-parse", "HEAD"]);
    desktop.ok(&["send", "demo"]);
    (desktop, head)
}

#[test]
fn what_was_sent_comes_back_whole() {
    let kept = Arc::default();
    let cloud = keeper(&kept);
    let (desktop, head) = sent(&cloud);
    let run = desktop.ff(&["pull", "demo", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let pulled: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&pulled["location"], &pulled["epoch"]),
        (&"DESKTOP".into(), &3.into())
    );
    let worktree = desktop.worktree("demo");
    assert_eq!(git(&worktree, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "demo");
    assert!(
        run.stderr.contains("restore here and compare"),
        "{}",
        run.stderr
    );
    let lines = cloud.lines();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with("/finalize"))
            .count(),
        2
    );

    desktop
        .ff(&["pull", "demo"])
        .failed(4, &["is not in the cloud"]);
}

#[test]
fn a_spoiled_part_leaves_the_workspace_in_the_cloud() {
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let cloud = keeper(&kept);
    let (desktop, head) = sent(&cloud);
    kept.lock().unwrap().spoil = Some(|bytes| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
    });
    let run = desktop.ff(&["pull", "demo"]);
    run.failed(1, &["failed fetch", "stays where it was", "ff pull demo"]);
    let shown = desktop.json(&["workspace", "show", "demo"]);
    assert_eq!(
        (&shown["location"], &shown["moving"]),
        (&"CLOUD".into(), &false.into())
    );
    assert!(
        cloud
            .lines()
            .iter()
            .any(|line| line.starts_with("DELETE /api/handoffs/"))
    );

    kept.lock().unwrap().spoil = None;
    desktop.ok(&["pull", "demo"]);
    assert_eq!(git(&desktop.worktree("demo"), &["rev-parse", "HEAD"]), head);
}
