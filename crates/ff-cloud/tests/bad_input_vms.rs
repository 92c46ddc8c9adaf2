//! What is asked of VMs and should not be, one numbered test each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use ff_cloud::clock;
use ff_cloud::compute::sim::Step;
use ff_cloud::db::entity::{lease, vm};
use ff_protocol::awake::Lease;
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;
use support::backend::Backend;
use support::moving::{World, ids, send};
use support::program::program;
use support::{Server, eventually, request, turn};

/// Settings that make no sense, each with its option first.
const NONSENSE: [&str; 26] = [
    "--pool-size=-1",
    "--pool-size=501",
    "--pool-size=1.5",
    "--pool-max-age=0",
    "--pool-max-age=-3600",
    "--pool-creates=0",
    "--pool-creates=65",
    "--idle-freeze=0",
    "--idle-freeze=-1",
    "--idle-stop=99999999999",
    "--idle-stop=2h",
    "--holding-limit=never",
    "--lease-limit=0",
    "--lease-limit=-1",
    "--wakes-per-hour=-1",
    "--wakes-per-hour=99999",
    "--wait=0",
    "--wait=-1",
    "--stranger-grace=0",
    "--vm-cpus=-1",
    "--vm-cpus=0",
    "--vm-cpus=inf",
    "--vm-memory=-1",
    "--vm-memory=1k",
    "--vm-memory=99999999999g",
    "--vm-pids=-5",
];

#[test]
fn bad_input_vm_1_absurd_settings_are_refused_at_start_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let start = |given: Option<&str>, variable: Option<(&str, &str)>| {
        let mut command = program(&["--dev", "--provider", "sim", "--listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&data).args(given);
        command.envs(variable);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{given:?} {variable:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for setting in NONSENSE {
        let (name, _) = setting.split_once('=').unwrap();
        let text = start(Some(setting), None);
        assert!(text.contains(name), "{setting}: {text}");
    }
    for (variable, name) in [
        ("FF_CLOUD_POOL_SIZE", "--pool-size"),
        ("FF_CLOUD_WAIT", "--wait"),
        ("FF_CLOUD_VM_MEMORY", "--vm-memory"),
    ] {
        let text = start(None, Some((variable, "-1")));
        assert!(text.contains(name), "{variable}: {text}");
    }
    assert!(!data.exists(), "it began to start");
}

async fn bad_input_vm_2_a_lease_beyond_the_longest_is_cut_and_says_so(backend: Backend) {
    let server = Server::with(backend, &["--lease-limit=600"]).await;
    let id = server.create_vm("test-user").await.vm().id;
    let leases = format!("/api/vms/{id}/leases");
    for (asked, cut) in [(3600, true), (u64::MAX, true), (600, false)] {
        let answer = server.post(&leases, json!({"seconds": asked})).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let lease: Lease = serde_json::from_value(answer.body).unwrap();
        assert_eq!(lease.clamped_from_seconds, cut.then_some(asked));
        let left = lease.expires_at - clock::now();
        assert!(left <= TimeDelta::seconds(600), "{left}");
        assert!(left > TimeDelta::seconds(300), "{left}");
    }
    for body in [
        json!({"seconds": 0}),
        json!({"seconds": -1}),
        json!({"seconds": 1, "name": ""}),
    ] {
        let refused = server.post(&leases, body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let db = server.app.db.write();
    assert_eq!(lease::Entity::find().count(db).await.unwrap(), 3);
}

async fn bad_input_vm_3_a_busy_vm_is_not_suspended_and_says_what_works(backend: Backend) {
    let server = Server::new(backend).await;
    let id = server.create_vm("test-user").await.vm().id;
    server.provider.work().working = vec![turn("a turn of 'Fix it'"), turn("make -j2")];
    for tier in ["frozen", "stopped"] {
        let suspend = format!("/api/vms/{id}/suspend");
        let refused = server.post(&suspend, json!({"tier": tier})).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "busy"));
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("a turn of 'Fix it'"), "{detail}");
        assert!(detail.contains("make -j2"), "{detail}");
        server.until_state(id.as_str(), "RUNNING").await;
    }
    let provider = &server.provider;
    assert_eq!(
        (provider.frozen.load(SeqCst), provider.stopped.load(SeqCst)),
        (0, 0)
    );
}

async fn bad_input_vm_4_every_call_on_a_vm_that_is_being_removed_is_410(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 1)).await;
    let server = &world.server;
    let id = world.client.vms().await.unwrap().remove(0).id;
    let vm = format!("/api/vms/{id}");
    let inside = format!("/api/workspaces/{workspace}");
    server.provider.down.store(true, SeqCst);
    assert_eq!(server.delete(&vm).await.code(), "compute_unavailable");

    let terminal = ff_protocol::TerminalId::generate();
    let lease = ff_protocol::LeaseId::generate();
    for (method, path, body) in [
        (Method::GET, vm.clone(), None),
        (Method::GET, format!("{vm}/onboarding"), None),
        (Method::GET, format!("{vm}/onboarding?wake=true"), None),
        (
            Method::POST,
            format!("{vm}/suspend"),
            Some(json!({"tier": "stopped"})),
        ),
        (Method::GET, format!("{vm}/leases"), None),
        (
            Method::POST,
            format!("{vm}/leases"),
            Some(json!({"seconds": 60})),
        ),
        (Method::DELETE, format!("{vm}/leases/{lease}"), None),
        (
            Method::PATCH,
            format!("{vm}/limits"),
            Some(json!({"pids": 200})),
        ),
        (Method::GET, format!("{vm}/logs"), None),
        (Method::GET, format!("{vm}/usage"), None),
        (Method::GET, format!("{vm}/terminals"), None),
        (Method::GET, format!("{vm}/terminals?wake=true"), None),
        (Method::POST, format!("{vm}/terminals"), Some(json!({}))),
        (Method::DELETE, format!("{vm}/terminals/{terminal}"), None),
        (Method::GET, format!("{inside}/sessions"), None),
        (
            Method::POST,
            format!("{inside}/sessions"),
            Some(json!({"prompt": "x"})),
        ),
        (Method::POST, format!("{inside}/terminals"), Some(json!({}))),
    ] {
        let answer = server.send(request(method.clone(), &path, body)).await;
        let got = (answer.status.as_u16(), answer.code());
        assert_eq!(got, (410, "gone"), "{method} {path}");
    }
    let listed = server.get("/api/vms").await;
    assert_eq!(listed.body["items"][0]["state"], "TERMINATING");

    server.provider.down.store(false, SeqCst);
    assert_eq!(server.delete(&vm).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&vm).await.code(), "not_found");
    assert_eq!(server.provider.homes(), 0);
}

async fn bad_input_vm_5_a_wait_beyond_its_deadline_is_504_and_did_nothing(backend: Backend) {
    let server = Server::with(backend, &["--wait=1"]).await;
    let id = server.create_vm("test-user").await.vm().id;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    *server.provider.engine.lock().unwrap() = Router::new().fallback(async move || {
        count.fetch_add(1, SeqCst);
        StatusCode::NO_CONTENT
    });
    let suspend = format!("/api/vms/{id}/suspend");
    let stopped = server.post(&suspend, json!({"tier": "stopped"})).await;
    assert_eq!(stopped.body["state"], "STOPPED");
    server.provider.slow(Step::Boot, Duration::from_secs(4));

    let terminals = format!("/api/vms/{id}/terminals");
    let posts = join_all((0..3).map(|_| server.post(&terminals, json!({})))).await;
    for late in posts {
        assert_eq!((late.status.as_u16(), late.code()), (504, "timeout"));
        let detail = late.body["detail"].as_str().unwrap();
        assert!(detail.contains("RESUMING"), "{detail}");
        assert!(late.body["hint"].is_string());
    }
    server.until_state(id.as_str(), "RUNNING").await;
    assert_eq!(asked.load(SeqCst), 0, "a request came late");
    assert_eq!(server.provider.started.load(SeqCst), 2);
    let again = server.post(&terminals, json!({})).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
    assert_eq!(asked.load(SeqCst), 1);
}

async fn bad_input_vm_6_fifty_first_requests_make_one_vm_and_equal_answers(backend: Backend) {
    let server = Server::new(backend).await;
    server
        .provider
        .slow(Step::Create, Duration::from_millis(50));
    let answers = join_all((0..50).map(|_| server.create_vm("test-user"))).await;
    let made = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(made.count(), 1);
    for answer in &answers {
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(answer.body, answers[0].body);
    }
    let provider = &server.provider;
    assert_eq!(provider.created.load(SeqCst), 1);
    eventually(async || (provider.machines(), provider.homes()) == (1, 1)).await;
    let db = server.app.db.write();
    assert_eq!(vm::Entity::find().count(db).await.unwrap(), 1);
}

both_dbs! {
    bad_input_vm_2_a_lease_beyond_the_longest_is_cut_and_says_so
    bad_input_vm_3_a_busy_vm_is_not_suspended_and_says_what_works
    bad_input_vm_4_every_call_on_a_vm_that_is_being_removed_is_410
    bad_input_vm_5_a_wait_beyond_its_deadline_is_504_and_did_nothing
    bad_input_vm_6_fifty_first_requests_make_one_vm_and_equal_answers
}
