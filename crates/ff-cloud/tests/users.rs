//! Deleting an account: what goes, what stays, and what happens in the middle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::http::StatusCode;
use ff_cloud::compute::sim::Step;
use ff_cloud::db::audit;
use ff_cloud::db::entity::{audit_event, handoff, lease, usage, user, vm, workspace};
use ff_protocol::user::Erasure;
use ff_protocol::vm::Vm;
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use support::backend::Backend;
use support::engine::Engine;
use support::moving::{World, ids, manifest, send};
use support::world::{World as DockerWorld, there};
use support::{Answer, Server, eventually, program};

const USER: &str = "/api/users/test-user";

fn erasure(answer: &Answer) -> Erasure {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_value(answer.body.clone()).unwrap()
}

/// Rows that name the user: of users, VMs, workspaces, hand-offs, usage.
async fn rows(server: &Server, name: &str) -> [u64; 5] {
    let db = server.app.db.write();
    [
        user::Entity::find()
            .filter(user::Column::Id.eq(name))
            .count(db)
            .await
            .unwrap(),
        vm::Entity::find()
            .filter(vm::Column::UserId.eq(name))
            .count(db)
            .await
            .unwrap(),
        workspace::Entity::find()
            .filter(workspace::Column::UserId.eq(name))
            .count(db)
            .await
            .unwrap(),
        handoff::Entity::find()
            .filter(handoff::Column::UserId.eq(name))
            .count(db)
            .await
            .unwrap(),
        usage::Entity::find()
            .filter(usage::Column::UserId.eq(name))
            .count(db)
            .await
            .unwrap(),
    ]
}

async fn events(server: &Server) -> Vec<audit_event::Model> {
    let db = server.app.db.write();
    audit_event::Entity::find().all(db).await.unwrap()
}

async fn an_account_goes_with_all_that_is_its_and_nothing_else(backend: Backend) {
    let world = World::new(backend).await;
    let server = &world.server;
    let (desktop, kept) = ids();
    let (_, sent) = ids();
    world
        .client
        .create_handoff(&send(&desktop, &kept, 1))
        .await
        .unwrap();
    world.sent(&send(&desktop, &sent, 1)).await;
    let first: Vm = world.client.vms().await.unwrap().remove(0);
    let lease = json!({"seconds": 60});
    let leased = server
        .post(&format!("/api/vms/{}/leases", first.id), lease.clone())
        .await;
    assert_eq!(leased.status, StatusCode::CREATED, "{leased:?}");
    // A VM that ended before leaves its row, its hand-offs and its account.
    let path = format!("/api/vms/{}", first.id);
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    let second = server.create_vm("test-user").await.vm();
    let leases = format!("/api/vms/{}/leases", second.id);
    server.post(&leases, lease).await;
    let other = server.create_vm("other-user").await.vm();
    let others = rows(server, "other-user").await;

    let before = rows(server, "test-user").await;
    assert_eq!(before, [1, 2, 1, 2, 2]);
    let receipt = erasure(&server.delete(USER).await);
    assert_eq!(receipt.user_id.as_str(), "test-user");
    let removed = &receipt.removed;
    assert_eq!(removed.vms, [first.id, second.id.clone()]);
    assert_eq!(removed.containers, [second.container_id.unwrap()]);
    assert_eq!(removed.volumes, [format!("home of {}", second.id)]);
    assert_eq!(
        (removed.workspaces, removed.handoffs, removed.leases),
        (1, 2, 1)
    );
    assert_eq!((removed.usage_intervals, removed.keys), (2, 0));

    assert_eq!(rows(server, "test-user").await, [0; 5]);
    let db = server.app.db.write();
    assert_eq!(lease::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(rows(server, "other-user").await, others);
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (1, 1)
    );
    let shown = server.get(&format!("/api/vms/{}", other.id)).await;
    assert_eq!(shown.body["state"], "RUNNING");

    let results: Vec<_> = events(server)
        .await
        .into_iter()
        .map(|event| (event.actor, event.action, event.object, event.result))
        .collect();
    let event = |result: &str| {
        let words = ["dev", "user.erase", "test-user", result];
        let [actor, action, object, result] = words.map(str::to_owned);
        (actor, action, object, result)
    };
    assert_eq!(results, [event("begun"), event("done")]);
    assert_eq!(erasure(&server.delete(USER).await), receipt);
    assert_eq!(events(server).await.len(), 2, "nothing was done again");
}

async fn only_who_was_there_can_be_deleted_and_only_by_themselves(backend: Backend) {
    let server = Server::new(backend).await;
    assert_eq!(server.delete("/api/users/nobody").await.code(), "not_found");
    assert_eq!(
        server.delete("/api/users/no%20id").await.code(),
        "bad_request"
    );
    server.create_vm("test-user").await;
    let foreign = server.delete(&format!("{USER}?userId=other")).await;
    assert_eq!(foreign.code(), "not_found");
    assert_eq!(rows(&server, "test-user").await[0], 1);
    let own = server.delete(&format!("{USER}?userId=test-user")).await;
    let first = erasure(&own);
    assert_eq!(events(&server).await[1].actor, "test-user");

    // Who comes back is somebody new, and can go again.
    server.create_vm("test-user").await;
    let second = erasure(&server.delete(USER).await);
    assert_ne!(second.removed.vms, first.removed.vms);
    assert_eq!(second.removed.vms.len(), 1);
}

async fn workspaces_that_are_nowhere_else_stay_unless_forced(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 1)).await;
    let before = rows(&world.server, "test-user").await;
    let refused = world.server.delete(USER).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "owns_workspaces")
    );
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(workspace.as_str()), "{detail}");
    assert!(refused.body["hint"].as_str().unwrap().contains("force"));
    assert_eq!(rows(&world.server, "test-user").await, before);
    assert_eq!(world.server.provider.homes(), 1);
    assert!(events(&world.server).await.is_empty());

    let forced = world.server.delete(&format!("{USER}?force=true")).await;
    assert_eq!(erasure(&forced).removed.workspaces, 1);
    assert_eq!(rows(&world.server, "test-user").await, [0; 5]);
}

async fn without_the_engine_it_is_503_and_the_next_server_finishes(backend: Backend) {
    let server = Server::new(backend).await;
    let (_engine, _heard) = Engine::install(&server);
    server.create_vm("test-user").await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 1);
    let path = format!("/api/handoffs/{}", ask.id);
    let mut begin = serde_json::to_value(&ask).unwrap();
    begin["userId"] = json!("test-user");
    server.post("/api/handoffs", begin).await;
    let manifest = serde_json::to_value(manifest(&ask)).unwrap();
    server.post(&format!("{path}/restore"), manifest).await;
    let sent = server.post(&format!("{path}/commit"), json!({})).await;
    assert_eq!(sent.status, StatusCode::OK, "{sent:?}");

    server.provider.down.store(true, SeqCst);
    let forced = format!("{USER}?force=true");
    for _ in 0..2 {
        let refused = server.delete(&forced).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (503, "compute_unavailable")
        );
    }
    assert_eq!(events(&server).await.len(), 1, "told once");
    let server = server.crash().await;
    server.provider.down.store(false, SeqCst);
    server.app.vms.start_tasks();
    eventually(async || server.provider.homes() == 0).await;
    assert_eq!(rows(&server, "test-user").await[0], 1);

    let receipt = erasure(&server.delete(USER).await);
    assert_eq!(receipt.removed.workspaces, 1, "of the call that failed");
    assert_eq!(receipt.removed.volumes.len(), 1);
    assert_eq!(rows(&server, "test-user").await, [0; 5]);
}

async fn requests_at_the_same_time_leave_no_half_of_a_user(backend: Backend) {
    let server = Server::new(backend).await;
    for step in [Step::Create, Step::Start, Step::Remove] {
        server.provider.slow(step, Duration::from_millis(5));
    }
    for round in 0..8 {
        server.create_vm("test-user").await;
        let posts = async {
            tokio::time::sleep(Duration::from_millis(4 * round)).await;
            join_all((0..4).map(|_| server.create_vm("test-user"))).await
        };
        let deletes = join_all((0..2).map(|_| server.delete(USER)));
        let (posts, deletes) = tokio::join!(posts, deletes);
        for answer in posts {
            let fine = answer.status.is_success() || answer.status == StatusCode::CONFLICT;
            let cut = answer.code() == "not_found" || answer.code() == "agent_unavailable";
            assert!(fine || cut, "{answer:?}");
        }
        for answer in deletes {
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
        let live = server.get("/api/vms").await;
        let live = live.body["items"].as_array().unwrap().len();
        let [users, vms, ..] = rows(&server, "test-user").await;
        assert!(users == 1 || vms == 0, "a VM of nobody");
        eventually(async || server.provider.homes() == live).await;
        assert_eq!(server.provider.machines(), live);
    }
    // Nothing went on behind the last answer.
    erasure(&server.delete(USER).await);
    assert_eq!(rows(&server, "test-user").await, [0; 5]);
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
}

async fn the_last_event_of_an_object_is_found(backend: Backend) {
    let server = Server::new(backend).await;
    let db = server.app.db.write();
    for (object, result) in [("a", "one"), ("a", "two"), ("b", "three")] {
        let event = audit::Event {
            actor: "dev",
            action: "x",
            object,
            result,
            detail: "{}",
        };
        audit::insert(db, event).await.unwrap();
    }
    let last = audit::last(db, "x", "a").await.unwrap().unwrap();
    assert_eq!(last.result, "two");
    assert!(audit::last(db, "y", "a").await.unwrap().is_none());
}

both_dbs! {
    an_account_goes_with_all_that_is_its_and_nothing_else
    only_who_was_there_can_be_deleted_and_only_by_themselves
    workspaces_that_are_nowhere_else_stay_unless_forced
    without_the_engine_it_is_503_and_the_next_server_finishes
    requests_at_the_same_time_leave_no_half_of_a_user
    the_last_event_of_an_object_is_found
}

/// The program over simulated VMs; killed when dropped.
struct Running {
    child: Child,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(dir: &str, crash_at: Option<&str>) -> Self {
        let mut command = program::program(&["--dev", "--listen", "127.0.0.1:0"]);
        command
            .args([
                "--log-format",
                "json",
                "--provider",
                "sim",
                "--data-dir",
                dir,
            ])
            .env_remove("DATABASE_URL")
            .stderr(Stdio::piped());
        if let Some(point) = crash_at {
            command.env("FF_CRASH_AT", point);
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = log.find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let listens = line["message"] == "listening";
            listens.then(|| format!("http://{}", line["address"].as_str().unwrap()))
        });
        // Read on, so that the program never waits for its log.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            child,
            url: url.expect("it ended before it listened"),
        }
    }
}

#[tokio::test]
async fn a_server_killed_between_any_two_steps_finishes_when_asked_again() {
    let client = reqwest::Client::new();
    for point in [
        "erase.begun",
        "erase.vm_gone",
        "remove.marked",
        "remove.home_gone",
        "remove.rows_gone",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let mut server = Running::start(data, Some(point));
        let body = json!({"userId": "test-user"});
        let made = client.post(format!("{}/api/vms", server.url)).json(&body);
        assert_eq!(made.send().await.unwrap().status(), 201, "{point}");
        let erase = client.delete(format!("{}{USER}", server.url)).send().await;
        assert!(erase.is_err(), "{point}: {erase:?}");
        assert!(!server.child.wait().unwrap().success());

        let server = Running::start(data, None);
        let again = client.delete(format!("{}{USER}", server.url)).send().await;
        let again = again.unwrap();
        assert_eq!(again.status(), 200, "{point}");
        let receipt: Erasure = again.json().await.unwrap();
        assert_eq!(receipt.removed.vms.len(), 1, "{point}");
        assert_eq!(receipt.removed.volumes.len(), 1, "{point}");
        drop(server);
        let file = ff_cloud::db::Address::Sqlite(dir.path().join("cloud.db"));
        let db = ff_cloud::db::Db::open(&file).await.unwrap();
        assert_eq!(vm::Entity::find().count(db.read()).await.unwrap(), 0);
        assert_eq!(user::Entity::find().count(db.read()).await.unwrap(), 0);
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn on_docker_the_container_and_the_volume_are_gone() {
    let world = DockerWorld::new(&[]).await;
    let vm = world.vm().await;
    assert!(there(&["container", "inspect", &vm.container]));
    assert!(there(&["volume", "inspect", &vm.volume]));
    let receipt = erasure(&world.server.delete(USER).await);
    assert!(!there(&["container", "inspect", &vm.container]));
    assert!(!there(&["volume", "inspect", &vm.volume]));
    assert_eq!(receipt.removed.volumes, [vm.volume]);
    assert_eq!(receipt.removed.containers.len(), 1);
    assert_eq!(receipt.removed.vms[0].as_str(), vm.id);
}
