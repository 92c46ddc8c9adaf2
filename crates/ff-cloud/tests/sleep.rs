//! Sleep in two tiers, what keeps a VM from it, and what wakes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode};
use ff_cloud::clock;
use ff_cloud::db::entity::{usage, vm};
use ff_protocol::VmId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use support::backend::Backend;
use support::{Answer, Server, eventually, request, turn};

async fn running(server: &Server) -> (VmId, String) {
    let answer = server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let id = answer.vm().id;
    let path = format!("/api/vms/{id}");
    (id, path)
}

async fn suspend(server: &Server, path: &str, tier: &str) -> Answer {
    server
        .post(&format!("{path}/suspend"), json!({ "tier": tier }))
        .await
}

async fn wake(server: &Server, path: &str) -> Answer {
    server.get(&format!("{path}/onboarding?wake=true")).await
}

/// What the account of a VM says, oldest first; fails where it has a gap or an overlap.
async fn account(server: &Server, id: &VmId) -> Vec<(String, Option<String>)> {
    let rows = usage::Entity::find()
        .filter(usage::Column::VmId.eq(id.as_str()))
        .order_by_asc(usage::Column::StartedAt)
        .order_by_asc(usage::Column::Id)
        .all(server.app.db.read())
        .await
        .unwrap();
    for pair in rows.windows(2) {
        assert_eq!(pair[0].ended_at, Some(pair[1].started_at), "{rows:?}");
    }
    assert!(rows.last().unwrap().ended_at.is_none(), "{rows:?}");
    rows.into_iter().map(|row| (row.kind, row.cause)).collect()
}

fn kinds(account: &[(String, Option<String>)]) -> Vec<&str> {
    account.iter().map(|(kind, _)| kind.as_str()).collect()
}

async fn frozen_keeps_the_machine_and_stopped_keeps_the_home(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    let frozen = suspend(&server, &path, "frozen").await;
    assert_eq!(
        (frozen.status, &frozen.body["state"]),
        (StatusCode::OK, &json!("FROZEN"))
    );
    assert_eq!(server.provider.frozen.load(SeqCst), 1);
    let read = server.get(&format!("{path}/onboarding")).await;
    assert_eq!((read.status.as_u16(), read.code()), (409, "suspended"));
    assert_eq!(server.get(&path).await.body["state"], "FROZEN");

    let intents = (0..20).map(|_| wake(&server, &path));
    for answer in futures_util::future::join_all(intents).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(server.provider.thawed.load(SeqCst), 1, "they shared one");
    assert_eq!(
        server.provider.started.load(SeqCst),
        1,
        "it was thawed, not started"
    );

    suspend(&server, &path, "frozen").await;
    let deeper = suspend(&server, &path, "stopped").await;
    assert_eq!(deeper.body["state"], "STOPPED", "{deeper:?}");
    assert_eq!(server.provider.machines(), 1, "stopped, not removed");
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.provider.started.load(SeqCst), 2);
    let account = account(&server, &id).await;
    assert_eq!(
        kinds(&account),
        ["awake", "frozen", "awake", "frozen", "stopped", "awake"]
    );
}

async fn idle_vms_are_frozen_and_then_stopped(backend: Backend) {
    let server = Server::with(backend, &["--idle-freeze=1", "--idle-stop=3"]).await;
    let (id, path) = running(&server).await;
    server.provider.work().quiet_seconds = 3600;
    server.app.vms.start_tasks();
    server.until_state(id.as_str(), "FROZEN").await;
    let stopped = server.until_state(id.as_str(), "STOPPED").await;
    assert_eq!(stopped.body["reasonCode"], "idle");
    assert_eq!(
        kinds(&account(&server, &id).await),
        ["awake", "frozen", "stopped"]
    );
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
}

async fn what_holds_is_frozen_and_stopped_only_after_its_own_limit(backend: Backend) {
    let args = ["--idle-freeze=1", "--idle-stop=2", "--holding-limit=5"];
    let server = Server::with(backend, &args).await;
    let (id, _) = running(&server).await;
    {
        let mut work = server.provider.work();
        work.holding = vec![turn("vim")];
        work.quiet_seconds = 3600;
    }
    server.app.vms.start_tasks();
    let frozen = server.until_state(id.as_str(), "FROZEN").await;
    assert_eq!(frozen.body["awake"]["holding"][0]["name"], "vim");
    // Longer than what does not hold may last.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(
        server.get(&format!("/api/vms/{id}")).await.body["state"],
        "FROZEN"
    );
    let stopped = server.until_state(id.as_str(), "STOPPED").await;
    let reason = stopped.body["reason"].as_str().unwrap();
    assert!(reason.contains("vim"), "{reason}");
}

async fn work_and_leases_keep_a_vm_awake_and_it_says_so(backend: Backend) {
    let args = ["--idle-freeze=1", "--idle-stop=2", "--lease-limit=4"];
    let server = Server::with(backend, &args).await;
    let (id, path) = running(&server).await;
    {
        let mut work = server.provider.work();
        work.working = vec![turn("a long thought")];
        work.quiet_seconds = 3600;
    }
    server.app.vms.start_tasks();
    let busy = suspend(&server, &path, "stopped").await;
    assert_eq!((busy.status.as_u16(), busy.code()), (409, "busy"));
    assert!(
        busy.body["detail"]
            .as_str()
            .unwrap()
            .contains("a long thought"),
        "{busy:?}"
    );
    tokio::time::sleep(Duration::from_secs(4)).await;
    let shown = server.get(&path).await.body;
    assert_eq!(shown["state"], "RUNNING");
    assert_eq!(shown["awake"]["why"], "working: a long thought");
    assert_eq!(shown["awake"]["sleeps"], json!([]));

    let ask = json!({"name": "a demo", "seconds": 1_000_000});
    let lease = server.post(&format!("{path}/leases"), ask).await;
    assert_eq!(lease.status, StatusCode::CREATED, "{lease:?}");
    assert_eq!(lease.body["clampedFromSeconds"], 1_000_000);
    server.provider.work().working.clear();
    let why = async || server.get(&path).await.body["awake"]["why"].to_string();
    eventually(async || why().await.starts_with("\"leased until")).await;
    let shown = server.get(&path).await.body;
    assert_eq!(shown["awake"]["leases"][0]["name"], "a demo");
    let leased = suspend(&server, &path, "frozen").await;
    assert_eq!(leased.code(), "busy");
    assert!(leased.body["detail"].as_str().unwrap().contains("a demo"));

    let end = format!("{path}/leases/{}", lease.body["id"].as_str().unwrap());
    assert_eq!(server.delete(&end).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.delete(&end).await.code(), "not_found");
    server.until_state(id.as_str(), "STOPPED").await;
}

async fn each_tier_can_be_off(backend: Backend) {
    let args = ["--idle-freeze=1", "--idle-stop=off"];
    let server = Server::with(backend, &args).await;
    let (id, path) = running(&server).await;
    server.provider.work().quiet_seconds = 3600;
    server.app.vms.start_tasks();
    let frozen = server.until_state(id.as_str(), "FROZEN").await;
    assert_eq!(frozen.body["awake"]["sleeps"], json!([]));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.get(&path).await.body["state"], "FROZEN");
}

async fn what_is_scheduled_wakes_a_vm_within_its_budget_and_lets_it_sleep_again(backend: Backend) {
    let args = ["--idle-freeze=1", "--idle-stop=off", "--wakes-per-hour=2"];
    let server = Server::with(backend, &args).await;
    let (id, path) = running(&server).await;
    {
        let mut work = server.provider.work();
        work.quiet_seconds = 3600;
        work.next_wake_at = Some(clock::now() + chrono::TimeDelta::seconds(1));
    }
    server.app.vms.start_tasks();
    // Each sleep says the same time again, which is over by then.
    eventually(async || account(&server, &id).await.len() >= 5).await;
    let scheduled = async || {
        let account = account(&server, &id).await;
        account
            .iter()
            .filter(|(_, cause)| cause.as_deref() == Some("schedule"))
            .count()
    };
    assert_eq!(scheduled().await, 2);
    server.until_state(id.as_str(), "FROZEN").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.get(&path).await.body["state"], "FROZEN");
    assert_eq!(scheduled().await, 2, "beyond its budget");
}

async fn limits_change_at_once_or_with_the_next_start_and_say_which(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    let change = async |body: Value| {
        let path = format!("{path}/limits");
        server.send(request(Method::PATCH, &path, Some(body))).await
    };
    let now = change(json!({"preset": "small"})).await;
    assert_eq!(
        (now.status, &now.body["applied"]),
        (StatusCode::OK, &json!("now"))
    );
    assert_eq!(server.provider.made_of(&id).unwrap().limits.cpus, 1.0);
    server.provider.limits_at_next_start.store(true, SeqCst);
    let later = change(json!({"memory": 512 << 20})).await;
    assert_eq!(later.body["applied"], "next_resume");
    assert_eq!(
        server.get(&path).await.body["limits"]["applied"],
        "next_resume"
    );
    assert_eq!(server.provider.made_of(&id).unwrap().limits.memory, 2 << 30);
    suspend(&server, &path, "stopped").await;
    wake(&server, &path).await;
    assert_eq!(
        server.provider.made_of(&id).unwrap().limits.memory,
        512 << 20
    );
    assert_eq!(server.get(&path).await.body["limits"]["applied"], "now");
    let nonsense = change(json!({"pids": 1})).await;
    assert_eq!(nonsense.code(), "invalid");
}

async fn a_new_image_comes_with_the_next_stop_and_a_bad_one_goes_again(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.provider.set_image("ff-vm:latest", "sha-2");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        server.provider.made_of(&id).unwrap().image_id,
        "sha-ff-vm:latest"
    );
    let stopped = suspend(&server, &path, "stopped").await;
    assert_eq!(stopped.body["state"], "STOPPED", "{stopped:?}");
    assert_eq!(server.provider.made_of(&id).unwrap().image_id, "sha-2");
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    let row = vm::Entity::find_by_id(id.as_str())
        .one(server.app.db.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.image_id.as_deref(), Some("sha-2"));

    // One whose agent does not come up.
    server.provider.set_image("ff-vm:latest", "sha-3");
    tokio::time::sleep(Duration::from_secs(6)).await;
    server.provider.dies.store(true, SeqCst);
    let stopped = suspend(&server, &path, "stopped").await;
    assert_eq!(stopped.body["state"], "STOPPED", "{stopped:?}");
    server.provider.dies.store(false, SeqCst);
    assert_eq!(server.provider.made_of(&id).unwrap().image_id, "sha-2");
    let kept = server.provider.kept_images();
    assert!(kept.contains(&"sha-2".to_owned()), "{kept:?}");
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.provider.made_of(&id).unwrap().image_id, "sha-2");
}

async fn a_machine_that_is_frozen_or_thawed_by_hand_comes_to_rest(backend: Backend) {
    let server = Server::new(backend).await;
    let (id, path) = running(&server).await;
    server.app.vms.start_tasks();
    suspend(&server, &path, "frozen").await;
    ff_cloud::compute::Provider::thaw(&*server.provider, &id)
        .await
        .unwrap();
    server.until_state(id.as_str(), "RUNNING").await;
    ff_cloud::compute::Provider::freeze(&*server.provider, &id)
        .await
        .unwrap();
    eventually(async || server.provider.thawed.load(SeqCst) >= 2).await;
    server.until_state(id.as_str(), "RUNNING").await;
    assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    assert_eq!(server.provider.started.load(SeqCst), 1);
}

async fn an_engine_that_is_away_for_a_while_costs_no_vm_its_memory(backend: Backend) {
    let server = Server::with(backend, &["--wait=3"]).await;
    let served = Router::new().fallback(async || StatusCode::NO_CONTENT);
    *server.provider.engine.lock().unwrap() = served;
    let (id, path) = running(&server).await;
    server.app.vms.start_tasks();
    let terminals = format!("{path}/terminals");

    // A sleep that is refused leaves an agent that executes what it is asked.
    server.provider.down.store(true, SeqCst);
    let refused = suspend(&server, &path, "frozen").await;
    assert_eq!(refused.code(), "compute_unavailable", "{refused:?}");
    let asked = server.post(&terminals, json!({})).await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT, "{asked:?}");

    // A VM that could not be woken is woken later, as it was.
    server.provider.down.store(false, SeqCst);
    let frozen = suspend(&server, &path, "frozen").await;
    assert_eq!(frozen.body["state"], "FROZEN", "{frozen:?}");
    server.provider.down.store(true, SeqCst);
    let refused = server.post(&terminals, json!({})).await;
    assert_eq!(refused.code(), "compute_unavailable", "{refused:?}");
    server.provider.down.store(false, SeqCst);
    server.app.vms.reconcile_soon();
    server.until_state(id.as_str(), "RUNNING").await;
    let provider = &server.provider;
    let counts =
        || [&provider.thawed, &provider.started, &provider.stopped].map(|it| it.load(SeqCst));
    assert_eq!(counts(), [1, 1, 0]);
    let asked = server.post(&terminals, json!({})).await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT, "{asked:?}");

    // The same for one that was stopped, also if nobody asks again.
    let stopped = suspend(&server, &path, "stopped").await;
    assert_eq!(stopped.body["state"], "STOPPED", "{stopped:?}");
    server.provider.down.store(true, SeqCst);
    let refused = server.post(&terminals, json!({})).await;
    assert_eq!(refused.code(), "compute_unavailable", "{refused:?}");
    server.provider.down.store(false, SeqCst);
    server.app.vms.reconcile_soon();
    server.until_state(id.as_str(), "RUNNING").await;
    assert_eq!(counts(), [1, 2, 1]);
}

async fn strangers_are_stopped_and_removed_after_the_grace_and_their_homes_stay(backend: Backend) {
    let server = Server::with(backend, &["--stranger-grace=1"]).await;
    let (id, _) = running(&server).await;
    usage::Entity::delete_many()
        .exec(server.app.db.write())
        .await
        .unwrap();
    vm::Entity::delete_many()
        .exec(server.app.db.write())
        .await
        .unwrap();
    server.provider.add_network("lost", None);
    server.app.vms.start_tasks();
    eventually(async || server.provider.stopped.load(SeqCst) == 1).await;
    assert_eq!(
        (server.provider.machines(), server.provider.homes()),
        (1, 1)
    );
    tokio::time::sleep(Duration::from_millis(1200)).await;
    server.app.vms.reconcile_soon();
    eventually(async || server.provider.machines() == 0).await;
    assert_eq!(server.provider.homes(), 1, "the home of {id} is gone");
}

async fn a_row_left_in_the_middle_by_a_dead_server_comes_to_rest(backend: Backend) {
    for state in [vm::State::Suspending, vm::State::Resuming] {
        let server = Server::new(backend).await;
        let (id, path) = running(&server).await;
        let then = clock::now() - chrono::TimeDelta::minutes(1);
        vm::Entity::update_many()
            .filter(vm::Column::Id.eq(id.as_str()))
            .col_expr(
                vm::Column::State,
                Expr::value(sea_orm::ActiveEnum::to_value(&state)),
            )
            .col_expr(vm::Column::UpdatedAt, Expr::value(then))
            .exec(server.app.db.write())
            .await
            .unwrap();
        let server = server.crash().await;
        server.app.vms.start_tasks();
        server.until_state(id.as_str(), "RUNNING").await;
        assert_eq!(wake(&server, &path).await.status, StatusCode::OK);
    }
}

both_dbs! {
    frozen_keeps_the_machine_and_stopped_keeps_the_home
    idle_vms_are_frozen_and_then_stopped
    what_holds_is_frozen_and_stopped_only_after_its_own_limit
    work_and_leases_keep_a_vm_awake_and_it_says_so
    each_tier_can_be_off
    what_is_scheduled_wakes_a_vm_within_its_budget_and_lets_it_sleep_again
    limits_change_at_once_or_with_the_next_start_and_say_which
    a_new_image_comes_with_the_next_stop_and_a_bad_one_goes_again
    a_machine_that_is_frozen_or_thawed_by_hand_comes_to_rest
    an_engine_that_is_away_for_a_while_costs_no_vm_its_memory
    strangers_are_stopped_and_removed_after_the_grace_and_their_homes_stay
    a_row_left_in_the_middle_by_a_dead_server_comes_to_rest
}
