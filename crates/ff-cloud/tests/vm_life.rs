//! The life of a VM: failures, sleep, crashes of the server, removal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::http::StatusCode;
use ff_cloud::clock;
use ff_cloud::db::entity::vm;
use ff_protocol::VmId;
use ff_protocol::vm::LoginRequired;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use support::backend::Backend;
use support::{Answer, Server, eventually};

async fn running(server: &Server) -> (VmId, String) {
    let answer = server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.body["state"], "RUNNING");
    let id = answer.vm().id;
    let path = format!("/api/vms/{id}");
    (id, path)
}

async fn wake(server: &Server, path: &str) -> Answer {
    server.get(&format!("{path}/onboarding?wake=true")).await
}

async fn a_missing_image_leaves_nothing_behind_and_the_next_post_goes_on(backend: Backend) {
    let server = Server::new(backend).await;
    server.provider.no_image.store(true, SeqCst);
    let failed = server.create_vm("test-user").await;
    assert_eq!(failed.code(), "compute_unavailable");
    assert!(
        failed.body["detail"]
            .as_str()
            .unwrap()
            .contains("ff-vm:latest")
    );
    assert!(failed.body["hint"].as_str().unwrap().contains("make image"));
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
    let row = server.get("/api/vms").await.body["items"][0].clone();
    assert_eq!(row["state"], "FAILED");
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .starts_with("image_missing: ")
    );

    server.provider.no_image.store(false, SeqCst);
    let again = server.create_vm("test-user").await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.body["state"], "RUNNING");
    assert_eq!(again.body["id"], row["id"]);
    assert_eq!(again.body["reason"], serde_json::Value::Null);
}

async fn a_container_that_ends_at_once_fails_the_vm_with_its_exit_code(backend: Backend) {
    let server = Server::new(backend).await;
    server.provider.dies.store(true, SeqCst);
    let posts = (0..10).map(|_| server.create_vm("test-user"));
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.code(), "agent_unavailable");
        assert!(
            answer.body["detail"]
                .as_str()
                .unwrap()
                .contains("exit code 3")
        );
    }
    assert_eq!(server.provider.started.load(SeqCst), 1);
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
}

async fn reads_do_not_wake_and_many_intents_share_one_awakening(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    let asked = server
        .post(&format!("{path}/suspend"), json!({"tier": "stopped"}))
        .await;
    assert_eq!(
        (asked.status, &asked.body["state"]),
        (StatusCode::OK, &json!("STOPPED"))
    );
    let read = server.get(&format!("{path}/onboarding")).await;
    assert_eq!((read.status.as_u16(), read.code()), (409, "suspended"));
    let stopped = server.get(&path).await;
    assert_eq!(stopped.body["state"], "STOPPED");
    assert_eq!(stopped.body["reasonCode"], "asked");
    assert_eq!(server.provider.started.load(SeqCst), 1);

    let intents = (0..20).map(|_| wake(&server, &path));
    for answer in futures_util::future::join_all(intents).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(server.provider.started.load(SeqCst), 2);
    assert_eq!(server.provider.created.load(SeqCst), 1);
}

async fn a_container_that_ends_by_itself_is_started_again_and_says_why(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.provider.kill(&id);
    server.app.vms.start_tasks();
    eventually(async || server.provider.started.load(SeqCst) == 2).await;
    let vm = server.until_state(id.as_str(), "RUNNING").await;
    assert_eq!(vm.body["reasonCode"], "exited");
    let reason = vm.body["reason"].as_str().unwrap();
    assert!(reason.contains("exit code 3"), "{reason}");
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.provider.created.load(SeqCst), 1);
}

async fn a_vm_that_ends_again_and_again_is_left_alone(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    // As if it had done so some times already: each wait is longer than the one before.
    vm::Entity::update_many()
        .filter(vm::Column::Id.eq(id.as_str()))
        .col_expr(vm::Column::Restarts, Expr::value(5))
        .exec(server.app.db.write())
        .await
        .unwrap();
    server.app.vms.start_tasks();
    eventually(async || server.get(&path).await.body["awake"].is_object()).await;
    server.provider.kill(&id);
    let failed = server.until_state(id.as_str(), "FAILED").await;
    assert_eq!(failed.body["reasonCode"], "crash_loop");
    assert_eq!(server.provider.started.load(SeqCst), 1);
    let again = wake(&server, &path).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
}

async fn an_intent_meets_a_lost_container_and_gets_a_new_one_on_the_same_home(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.provider.lose_machine(&id);
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.provider.created.load(SeqCst), 2);
    assert_eq!(server.provider.homes(), 1);
    let vm = server.get(&path).await;
    assert_eq!(vm.body["state"], "RUNNING");
    assert_eq!(vm.body["containerId"], "machine-1");
}

async fn a_lost_home_is_never_silently_new(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.provider.lose_machine(&id);
    server.provider.lose_home(&id);
    for _ in 0..2 {
        let answer = wake(&server, &path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "conflict"));
        let vm = server.get(&path).await;
        assert_eq!(vm.body["state"], "FAILED");
        assert!(
            vm.body["reason"]
                .as_str()
                .unwrap()
                .starts_with("volume_missing: ")
        );
    }
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        server.create_vm("test-user").await.status,
        StatusCode::CREATED
    );
}

async fn delete_removes_machine_home_and_frees_the_user(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    let (one, other) = tokio::join!(server.delete(&path), server.delete(&path));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 204] | [204, 404]), "{statuses:?}");
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
    assert_eq!(server.get(&path).await.code(), "not_found");
    assert_eq!(server.delete(&path).await.code(), "not_found");
    let next = server.create_vm("test-user").await;
    assert_eq!(next.status, StatusCode::CREATED);
    assert_ne!(next.vm().id, id);
}

async fn delete_of_a_vm_that_lost_everything_works(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.provider.lose_machine(&id);
    server.provider.lose_home(&id);
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
}

async fn delete_while_it_is_being_made_leaves_nothing(backend: Backend) {
    let server = Server::new(backend).await;
    server.provider.hangs.store(true, SeqCst);
    let create = server.create_vm("test-user");
    let remove = async {
        let id = loop {
            let vms = server.get("/api/vms").await;
            if let Some(id) = vms.body["items"][0]["id"].as_str() {
                break id.to_owned();
            }
            tokio::task::yield_now().await;
        };
        while server.provider.started.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        server.delete(&format!("/api/vms/{id}")).await
    };
    let (created, removed) = tokio::join!(create, remove);
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert!(!created.status.is_success(), "{created:?}");
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
}

async fn delete_without_the_engine_is_503_and_is_finished_when_it_is_back(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    server.provider.down.store(true, SeqCst);
    let refused = server.delete(&path).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "compute_unavailable")
    );
    assert_eq!(server.get(&path).await.code(), "gone");
    assert_eq!(
        server.get("/api/vms").await.body["items"][0]["state"],
        "TERMINATING"
    );
    assert_eq!(server.create_vm("test-user").await.code(), "conflict");
    assert_eq!(wake(&server, &path).await.code(), "gone");

    server.provider.down.store(false, SeqCst);
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
}

async fn a_removal_is_finished_by_the_next_server(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    server.provider.down.store(true, SeqCst);
    assert_eq!(server.delete(&path).await.code(), "compute_unavailable");
    let server = server.crash().await;
    server.provider.down.store(false, SeqCst);
    server.app.vms.start_tasks();
    let gone = async {
        while server.get(&path).await.status != StatusCode::NOT_FOUND {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap();
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (0, 0)
    );
}

async fn running_vms_outlive_the_server(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    let server = server.crash().await;
    server.app.vms.start_tasks();
    let answer = server.get(&format!("{path}/onboarding")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(server.provider.started.load(SeqCst), 1);
}

async fn a_server_that_died_in_the_middle_of_a_start_recovers(backend: Backend) {
    let server = Server::new(backend).await;
    server.provider.hangs.store(true, SeqCst);
    {
        let create = server.create_vm("test-user");
        let started = async {
            while server.provider.started.load(SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = create => panic!("{answer:?}"),
            () = started => {}
        }
    }
    let server = server.crash().await;
    server.provider.hangs.store(false, SeqCst);
    let id = server.get("/api/vms").await.body["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.app.vms.start_tasks();
    server.until_state(&id, "RUNNING").await;
    let again = server.create_vm("test-user").await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.body["id"], id.as_str());
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (1, 1)
    );
}

async fn an_idle_vm_is_stopped_and_a_busy_one_is_not(backend: Backend) {
    let server = Server::with(backend, &["--idle-tier=stopped", "--idle-stop=2"]).await;
    let (id, path) = running(&server).await;
    {
        let mut work = server.provider.work();
        work.working = vec![support::turn("a turn")];
        work.quiet_seconds = 3600;
    }
    server.app.vms.start_tasks();
    // Twice as long as the limit.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(server.get(&path).await.body["state"], "RUNNING");
    server.provider.work().working.clear();
    let stopped = server.until_state(id.as_str(), "STOPPED").await;
    assert!(
        stopped.body["reason"]
            .as_str()
            .unwrap()
            .starts_with("idle: ")
    );
    assert_eq!(server.provider.machines(), 1, "stopped, not removed");

    server.provider.work().quiet_seconds = 0;
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.get(&path).await.body["state"], "RUNNING");
    assert_eq!(server.provider.created.load(SeqCst), 1);
}

async fn a_server_that_is_stopping_takes_no_new_work(backend: Backend) {
    let server = Server::new(backend).await;
    server.app.lifecycle.soft.cancel();
    let answer = server.create_vm("test-user").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "shutting_down")
    );
    assert_eq!(server.provider.created.load(SeqCst), 0);
}

async fn an_engine_that_is_away_does_not_cut_off_vms_that_run(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    server.provider.down.store(true, SeqCst);
    assert_eq!(
        server.get(&format!("{path}/onboarding")).await.status,
        StatusCode::OK
    );
    assert_eq!(server.get(&path).await.body["state"], "RUNNING");
}

async fn a_vm_says_that_its_sessions_wait_for_a_login_until_they_do_not(backend: Backend) {
    let server = Server::new(backend).await;
    let (_, path) = running(&server).await;
    let required = LoginRequired {
        since: clock::now(),
        reason: "Not logged in".to_owned(),
    };
    server.provider.work().login_required = Some(required.clone());
    let shown = async || server.get(&path).await.body["loginRequired"].clone();
    let required = serde_json::to_value(required).unwrap();
    eventually(async || shown().await == required).await;
    server.provider.work().login_required = None;
    eventually(async || shown().await.is_null()).await;
}

both_dbs! {
    a_vm_says_that_its_sessions_wait_for_a_login_until_they_do_not
    a_missing_image_leaves_nothing_behind_and_the_next_post_goes_on
    a_container_that_ends_at_once_fails_the_vm_with_its_exit_code
    reads_do_not_wake_and_many_intents_share_one_awakening
    a_container_that_ends_by_itself_is_started_again_and_says_why
    a_vm_that_ends_again_and_again_is_left_alone
    an_intent_meets_a_lost_container_and_gets_a_new_one_on_the_same_home
    a_lost_home_is_never_silently_new
    delete_removes_machine_home_and_frees_the_user
    delete_of_a_vm_that_lost_everything_works
    delete_while_it_is_being_made_leaves_nothing
    delete_without_the_engine_is_503_and_is_finished_when_it_is_back
    a_removal_is_finished_by_the_next_server
    running_vms_outlive_the_server
    a_server_that_died_in_the_middle_of_a_start_recovers
    an_idle_vm_is_stopped_and_a_busy_one_is_not
    a_server_that_is_stopping_takes_no_new_work
    an_engine_that_is_away_does_not_cut_off_vms_that_run
}
