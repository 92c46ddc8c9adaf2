//! Moves whose end this machine has not heard: only the server they were begun with can tell it.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Desktop;
use common::cloud::{Cloud, Reply, Request};
use serde_json::{Value, json};

/// What a server answers about hand-offs.
struct Ways {
    commit: fn(&Request) -> Reply,
    show: fn(&Request) -> Reply,
    abort: fn(&Request) -> Reply,
    finalize: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            commit: |request| Reply::Json(200, handoff("COMMITTED", request)),
            show: |_| Reply::problem(404, "not_found", "no such hand-off"),
            abort: |_| Reply::Json(200, json!({})),
            finalize: Box::new(|request| Reply::Json(200, handoff("FINALIZED", request))),
        }
    }
}

/// A server that takes everything in, and ends hand-offs its own way.
fn server(ways: &Arc<Mutex<Arc<Ways>>>) -> Cloud {
    let ways = Arc::clone(ways);
    Cloud::start(move |request| {
        let ways = Arc::clone(&*ways.lock().unwrap());
        let words: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), words.as_slice()) {
            ("POST", ["api", "ownership"]) => Reply::Json(200, json!([])),
            ("POST", ["api", "handoffs"]) => Reply::Json(201, handoff("TRANSFERRING", request)),
            ("PUT", ["api", "handoffs", ..]) => Reply::Json(200, json!({})),
            ("POST", ["api", "handoffs", _, "restore"]) => {
                Reply::Json(200, json!({"fingerprint": request.json()["fingerprint"]}))
            }
            ("POST", ["api", "handoffs", _, "commit"]) => (ways.commit)(request),
            ("POST", ["api", "handoffs", _, "finalize"]) => (ways.finalize)(request),
            ("GET", ["api", "handoffs", _]) => (ways.show)(request),
            ("DELETE", ["api", "handoffs", _]) => (ways.abort)(request),
            _ => Reply::empty_page(),
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

fn shared(ways: Ways) -> Arc<Mutex<Arc<Ways>>> {
    Arc::new(Mutex::new(Arc::new(ways)))
}

fn silence(_: &Request) -> Reply {
    Reply::Hangup
}

/// Location, whether it is moving, epoch.
fn place(desktop: &Desktop, workspace: &str) -> (String, bool, u64) {
    let shown = desktop.json(&["workspace", "show", workspace]);
    let location = shown["location"].as_str().unwrap().to_owned();
    let moving = shown["moving"].as_bool().unwrap();
    (location, moving, shown["epoch"].as_u64().unwrap())
}

fn here(moving: bool) -> (String, bool, u64) {
    ("DESKTOP".into(), moving, 1)
}

#[test]
fn another_cloud_is_refused_while_a_move_is_open() {
    let ways = shared(Ways {
        commit: silence,
        show: silence,
        ..Ways::default()
    });
    let (first, second) = (server(&ways), Cloud::empty());
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &first.url()]);
    desktop.ff(&["send", "demo"]).failed(5, &["not known yet"]);

    let refused = ["workspace demo is being moved", &first.url(), "ff send"];
    desktop
        .ff(&["cloud", "connect", &second.url()])
        .failed(4, &refused);
    desktop
        .ff(&["cloud", "connect", &first.url(), "--user", "anna"])
        .failed(4, &refused);
    assert!(second.lines().is_empty(), "{:?}", second.lines());
    desktop.ok(&["cloud", "connect", &first.url()]);

    *ways.lock().unwrap() = Arc::new(Ways {
        show: |request| Reply::Json(200, handoff("COMMITTED", request)),
        ..Ways::default()
    });
    assert_eq!(place(&desktop, "demo"), ("CLOUD".into(), false, 2));
    desktop.ok(&["cloud", "connect", &second.url()]);
}

#[test]
fn a_server_that_a_move_was_not_begun_with_cannot_end_it() {
    let ways = shared(Ways {
        commit: silence,
        show: silence,
        ..Ways::default()
    });
    let (first, second) = (server(&ways), server(&shared(Ways::default())));
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &first.url()]);
    desktop.ff(&["send", "demo"]).failed(5, &["not known yet"]);

    let settings = std::fs::read_to_string(desktop.config_file()).unwrap();
    let other = settings.replace(&first.url(), &second.url());
    assert_ne!(settings, other);
    std::fs::write(desktop.config_file(), other).unwrap();
    let back = format!("ff cloud connect {}", first.url());
    assert_eq!(place(&desktop, "demo"), here(true));
    desktop
        .ff(&["send", "demo"])
        .failed(4, &["was begun with", &back]);
    desktop
        .ff(&["cloud", "connect", &second.url(), "--user", "anna"])
        .failed(4, &["is being moved", &back]);
    assert_eq!(place(&desktop, "demo"), here(true));
    let asked = second.lines();
    assert!(!asked.iter().any(|line| line.contains("handoffs")));

    desktop.ok(&["cloud", "connect", &first.url()]);
    *ways.lock().unwrap() = Arc::new(Ways::default());
    assert_eq!(place(&desktop, "demo"), here(false));
}

#[test]
fn once_the_commit_was_asked_silence_does_not_end_the_move() {
    let ways = shared(Ways {
        commit: |_| Reply::problem(409, "conflict", "not restored yet"),
        show: |request| Reply::Json(200, handoff("TRANSFERRING", request)),
        abort: silence,
        ..Ways::default()
    });
    let cloud = server(&ways);
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    let run = desktop.ff(&["send", "demo"]);
    run.failed(4, &["not restored yet", "still being moved", "ff send"]);
    assert!(!run.stderr.contains("stays where it was"), "{}", run.stderr);
    assert_eq!(place(&desktop, "demo"), here(true));

    // The next one has not asked for the commit, but the one before it has.
    let nested = desktop.worktree("demo").join("nested");
    std::fs::create_dir_all(nested.join(".git")).unwrap();
    desktop
        .ff(&["send", "demo"])
        .failed(4, &["nested", "still being moved"]);
    assert_eq!(place(&desktop, "demo"), here(true));

    std::fs::remove_dir_all(nested).unwrap();
    *ways.lock().unwrap() = Arc::new(Ways {
        show: |request| Reply::Json(200, handoff("TRANSFERRING", request)),
        ..Ways::default()
    });
    desktop.ok(&["send", "demo"]);
    assert_eq!(place(&desktop, "demo"), ("CLOUD".into(), false, 2));
}

#[test]
fn before_the_commit_was_asked_silence_ends_the_move_and_the_server_hears_later() {
    let ways = shared(Ways {
        abort: silence,
        ..Ways::default()
    });
    let broken = Arc::clone(&ways);
    let cloud = Cloud::start(move |request| {
        let abort = broken.lock().unwrap().abort;
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/api/handoffs") => Reply::Hangup,
            ("DELETE", _) => abort(request),
            _ => Reply::empty_page(),
        }
    });
    let desktop = Desktop::with_workspace();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    let run = desktop.ff(&["send", "demo"]);
    run.failed(5, &["stays where it was"]);
    assert_eq!(place(&desktop, "demo"), here(false));
    let elsewhere = Cloud::empty();
    desktop
        .ff(&["cloud", "connect", &elsewhere.url()])
        .failed(4, &["has still to hear", "demo", "ff workspace list"]);

    *ways.lock().unwrap() = Arc::new(Ways::default());
    desktop.ok(&["workspace", "list"]);
    desktop.ok(&["cloud", "connect", &elsewhere.url()]);
}

/// The first call waits in the server while another `ff` adds an errand of its own.
#[test]
fn what_two_ff_have_to_tell_the_server_is_told_for_both() {
    let (arrived, at_server) = channel::<()>();
    let (go, gate) = channel::<()>();
    let ways = shared(Ways {
        finalize: Box::new(silence),
        ..Ways::default()
    });
    let cloud = server(&ways);
    let desktop = Desktop::with_workspace();
    desktop.ok(&["workspace", "new", "other", "--project", "app"]);
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    desktop.ok(&["send", "demo"]);

    *ways.lock().unwrap() = Arc::new(Ways {
        finalize: Box::new(held(arrived, gate)),
        ..Ways::default()
    });
    let mut list = desktop.command(&["workspace", "list"]).spawn().unwrap();
    at_server.recv_timeout(Duration::from_secs(30)).unwrap();
    desktop.ok(&["send", "other"]);
    go.send(()).unwrap();
    assert!(list.wait().unwrap().success());

    let before = cloud.lines().len();
    *ways.lock().unwrap() = Arc::new(Ways::default());
    desktop.ok(&["workspace", "list"]);
    let told: Vec<String> = cloud.lines().split_off(before);
    let told = told.iter().filter(|line| line.ends_with("/finalize"));
    assert_eq!(told.count(), 2, "{:?}", cloud.lines());
}

/// Answers the first call when told to, the others never.
fn held(
    arrived: Sender<()>,
    gate: Receiver<()>,
) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    let first = Mutex::new(Some((arrived, gate)));
    move |_| {
        let taken = first.lock().unwrap().take();
        if let Some((arrived, gate)) = taken {
            arrived.send(()).unwrap();
            let _ = gate.recv_timeout(Duration::from_secs(60));
        }
        Reply::Hangup
    }
}
