//! VMs made ahead of need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::collections::HashSet;
use std::sync::atomic::Ordering::SeqCst;

use axum::http::StatusCode;
use ff_cloud::compute::sim::Step;
use ff_cloud::db::entity::vm;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use support::backend::Backend;
use support::{Server, eventually};

async fn pool(server: &Server) -> Value {
    server.get("/api/pool").await.body
}

async fn full(server: &Server, size: u64) {
    eventually(async || pool(server).await["ready"] == size).await;
}

async fn started(backend: Backend, args: &[&str]) -> Server {
    let server = Server::with(backend, args).await;
    server.app.vms.start_tasks();
    server
}

async fn rows(server: &Server) -> Vec<vm::Model> {
    vm::Entity::find().all(server.app.db.read()).await.unwrap()
}

async fn a_claim_takes_a_vm_that_is_there_and_the_pool_is_filled_again(backend: Backend) {
    let server = started(backend, &["--pool-size=2"]).await;
    full(&server, 2).await;
    assert_eq!(server.get("/api/vms").await.body["items"], json!([]));
    let ready: HashSet<String> = rows(&server).await.into_iter().map(|row| row.id).collect();
    let answer = server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.body["state"], "RUNNING");
    assert!(ready.contains(answer.body["id"].as_str().unwrap()));
    assert_eq!(
        server.create_vm("test-user").await.body["id"],
        answer.body["id"]
    );
    full(&server, 2).await;
    let counted = pool(&server).await;
    assert_eq!(
        (&counted["claims"], &counted["misses"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(server.provider.created.load(SeqCst), 3);
}

async fn an_empty_pool_falls_back_to_a_new_vm_and_counts_it(backend: Backend) {
    let server = Server::with(backend, &["--pool-size=1"]).await;
    let answer = server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let counted = pool(&server).await;
    assert_eq!(
        (&counted["claims"], &counted["misses"]),
        (&json!(0), &json!(1))
    );
}

async fn twenty_users_get_twenty_vms_and_one_user_gets_one(backend: Backend) {
    let server = started(backend, &["--pool-size=8", "--pool-creates=8"]).await;
    full(&server, 8).await;
    let names: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let many = names.iter().map(|name| server.create_vm(name));
    let same = (0..20).map(|_| server.create_vm("one-user"));
    let (many, same) = futures_util::future::join(
        futures_util::future::join_all(many),
        futures_util::future::join_all(same),
    )
    .await;
    let ids: HashSet<_> = many.iter().map(|answer| answer.vm().id).collect();
    assert_eq!(ids.len(), 20);
    let one: HashSet<_> = same.iter().map(|answer| answer.vm().id).collect();
    assert_eq!(one.len(), 1);
    assert!(ids.is_disjoint(&one));
    let owned = rows(&server)
        .await
        .into_iter()
        .filter(|row| row.live_user_id.is_some());
    assert_eq!(owned.count(), 21);
}

async fn a_vm_of_the_pool_that_died_is_replaced_and_never_handed_out_dead(backend: Backend) {
    let server = started(backend, &["--pool-size=1"]).await;
    full(&server, 1).await;
    let dead = rows(&server).await.remove(0).id;
    server.provider.kill(&dead.parse().unwrap());
    eventually(async || {
        let rows = rows(&server).await;
        rows.iter()
            .any(|row| row.id != dead && row.state == vm::State::Pooled)
    })
    .await;
    full(&server, 1).await;
    assert_eq!(server.provider.machines(), 1);
    assert_eq!(server.provider.homes(), 1);

    // One that dies in the moment of the claim is started again for its user.
    let hit = rows(&server)
        .await
        .into_iter()
        .find(|row| row.state == vm::State::Pooled);
    let hit = hit.unwrap().id.parse().unwrap();
    server.provider.break_watches();
    server.provider.lose_machine(&hit);
    let answer = server.create_vm("test-user").await;
    assert!(answer.status.is_success(), "{answer:?}");
    let shown = server
        .until_state(answer.body["id"].as_str().unwrap(), "RUNNING")
        .await;
    let path = format!("/api/vms/{}/onboarding", shown.body["id"].as_str().unwrap());
    assert_eq!(
        server.get(&format!("{path}?wake=true")).await.status,
        StatusCode::OK
    );
}

async fn a_new_image_and_age_roll_through_it(backend: Backend) {
    let server = started(backend, &["--pool-size=2"]).await;
    full(&server, 2).await;
    server.provider.set_image("ff-vm:latest", "sha-newer");
    let of_newer = async || {
        let rows = rows(&server).await;
        let ready = rows.iter().filter(|row| row.state == vm::State::Pooled);
        ready
            .filter(|row| row.image_id.as_deref() == Some("sha-newer"))
            .count()
    };
    eventually(async || of_newer().await == 2).await;

    let before: HashSet<String> = rows(&server)
        .await
        .into_iter()
        .filter(|row| row.state == vm::State::Pooled)
        .map(|row| row.id)
        .collect();
    let old = ff_cloud::clock::now() - chrono::TimeDelta::days(2);
    vm::Entity::update_many()
        .filter(vm::Column::State.eq(vm::State::Pooled))
        .col_expr(vm::Column::CreatedAt, Expr::value(old))
        .exec(server.app.db.write())
        .await
        .unwrap();
    eventually(async || {
        let rows = rows(&server).await;
        let ready: Vec<_> = rows
            .iter()
            .filter(|row| row.state == vm::State::Pooled)
            .collect();
        ready.len() == 2 && ready.iter().all(|row| !before.contains(&row.id))
    })
    .await;
    eventually(async || server.provider.machines() == 2).await;
    eventually(async || server.provider.homes() == 2).await;
}

async fn failures_are_counted_and_it_tries_again_later(backend: Backend) {
    let server = Server::with(backend, &["--pool-size=1"]).await;
    server.provider.fail(Step::Start, 1);
    server.app.vms.start_tasks();
    eventually(async || pool(&server).await["failures"] == 1).await;
    let counted = pool(&server).await;
    assert!(
        counted["retryAt"].is_string() || counted["ready"] == 1,
        "{counted}"
    );
    full(&server, 1).await;
    assert_eq!(server.provider.machines(), 1);
}

both_dbs! {
    a_claim_takes_a_vm_that_is_there_and_the_pool_is_filled_again
    an_empty_pool_falls_back_to_a_new_vm_and_counts_it
    twenty_users_get_twenty_vms_and_one_user_gets_one
    a_vm_of_the_pool_that_died_is_replaced_and_never_handed_out_dead
    a_new_image_and_age_roll_through_it
    failures_are_counted_and_it_tries_again_later
}
