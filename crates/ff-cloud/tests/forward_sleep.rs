//! Forwarded requests while their VM sleeps, wakes and ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use ff_client::AgentClient;
use ff_cloud::compute::Provider;
use ff_cloud::compute::sim::Step;
use ff_protocol::VmId;
use ff_protocol::agent::{Quiesce, SuspendTier};
use serde_json::{Value, json};
use support::backend::Backend;
use support::{Answer, Server, eventually, request};
use tokio::sync::Notify;

struct World {
    server: Server,
    vm: VmId,
    path: String,
    /// Executed changes.
    done: Arc<AtomicUsize>,
    /// A read has begun that is never answered.
    begun: Arc<Notify>,
}

impl World {
    async fn new(backend: Backend, args: &[&str]) -> Self {
        let server = Server::with(backend, args).await;
        let (done, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counter, beginning) = (done.clone(), begun.clone());
        let change = async move |body: axum::body::Bytes| {
            let number = counter.fetch_add(1, SeqCst) + 1;
            Json(json!({"number": number, "size": body.len()}))
        };
        let slow = async move || {
            beginning.notify_one();
            std::future::pending::<()>().await;
        };
        let routes = Router::new()
            .route("/api/vms/{v}/terminals", post(change).get(slow))
            .route("/api/workspaces/{w}/sessions", get(async || "[]"))
            .layer(DefaultBodyLimit::disable());
        *server.provider.engine.lock().unwrap() = routes;
        let vm = server.create_vm("test-user").await.vm().id;
        let path = format!("/api/vms/{vm}");
        Self {
            server,
            vm,
            path,
            done,
            begun,
        }
    }

    fn terminals(&self) -> String {
        format!("{}/terminals", self.path)
    }

    async fn change(&self) -> Answer {
        self.server.post(&self.terminals(), json!({})).await
    }

    async fn suspend(&self, tier: &str) -> Answer {
        let path = format!("{}/suspend", self.path);
        self.server.post(&path, json!({ "tier": tier })).await
    }

    fn done(&self) -> usize {
        self.done.load(SeqCst)
    }

    fn thawed(&self) -> usize {
        self.server.provider.thawed.load(SeqCst)
    }

    /// As the server itself would speak to the agent.
    async fn agent(&self) -> AgentClient {
        let machine = self.server.provider.inspect(&self.vm).await.unwrap();
        let token = self.server.app.vms.awake(&self.vm).await.unwrap().token;
        let address = machine.unwrap().address.unwrap();
        AgentClient::new(self.vm.clone(), &address, token).unwrap()
    }

    async fn quiesce(&self, ttl_seconds: u32) {
        let quiesce = Quiesce {
            id: "q".into(),
            tier: SuspendTier::Frozen,
            ttl_seconds,
            idle_seconds: 0,
            let_go: true,
        };
        let agent = self.agent().await;
        agent
            .quiesce(&quiesce, Duration::from_secs(30))
            .await
            .unwrap();
    }
}

async fn twenty_changes_at_once_share_one_thaw_and_are_executed_once_each(backend: Backend) {
    let world = World::new(backend, &[]).await;
    assert_eq!(world.suspend("frozen").await.body["state"], "FROZEN");
    let answers = futures_util::future::join_all((0..20).map(|_| world.change())).await;
    let mut numbers: Vec<_> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            answer.body["number"].as_u64().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!((world.done(), world.thawed()), (20, 1));
}

async fn reads_of_a_sleeping_vm_wake_nothing(backend: Backend) {
    let world = World::new(backend, &[]).await;
    for tier in ["frozen", "stopped"] {
        assert_eq!(world.suspend(tier).await.status, StatusCode::OK);
        let read = world.server.get(&world.terminals()).await;
        assert_eq!((read.status.as_u16(), read.code()), (409, "suspended"));
    }
    assert_eq!(world.server.provider.started.load(SeqCst), 1);
}

async fn a_read_in_flight_ends_when_its_vm_freezes(backend: Backend) {
    let world = World::new(backend, &[]).await;
    let path = world.terminals();
    let read = world.server.get(&path);
    let freeze = async {
        world.begun.notified().await;
        world.suspend("frozen").await
    };
    let (read, frozen) = tokio::join!(read, freeze);
    assert_eq!(frozen.body["state"], "FROZEN", "{frozen:?}");
    assert_eq!((read.status.as_u16(), read.code()), (409, "suspended"));
    assert_eq!(world.thawed(), 0);
}

async fn a_quiesced_agent_is_asked_again_until_it_executes(backend: Backend) {
    let world = World::new(backend, &[]).await;
    world.quiesce(2).await;
    let answer = world.change().await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(world.done(), 1);
}

async fn a_quiesced_agent_is_not_asked_for_ever_nor_with_a_body_that_went_by(backend: Backend) {
    let world = World::new(backend, &["--wait", "1"]).await;
    world.quiesce(600).await;
    let refused = world.change().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "quiesced"));
    let large = json!({"large": "x".repeat(2 << 20)});
    let refused = world.server.post(&world.terminals(), large.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "quiesced"));
    assert_eq!(world.done(), 0);
    let agent = world.agent().await;
    agent.release("q", Duration::from_secs(30)).await.unwrap();
    let answer = world.server.post(&world.terminals(), large.clone()).await;
    assert_eq!(answer.body["size"], large.to_string().len());
}

/// A change meets a VM that freezes: it is executed once, after a thaw.
async fn a_change_while_the_vm_goes_to_sleep_wakes_it(backend: Backend) {
    let world = World::new(backend, &[]).await;
    world
        .server
        .provider
        .slow(Step::Freeze, Duration::from_millis(500));
    let change = async {
        world
            .server
            .until_state(world.vm.as_str(), "SUSPENDING")
            .await;
        world.change().await
    };
    let (slept, answer) = tokio::join!(world.suspend("frozen"), change);
    assert_eq!(slept.status, StatusCode::OK, "{slept:?}");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!((world.done(), world.thawed()), (1, 1));
}

async fn bad_input_5_a_wait_for_a_resume_that_runs_out_leaves_nothing_half_done(backend: Backend) {
    let world = World::new(backend, &["--wait", "1"]).await;
    world.suspend("frozen").await;
    world
        .server
        .provider
        .slow(Step::Thaw, Duration::from_secs(4));
    let refused = world.change().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (504, "timeout"));
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("RESUMING"), "{detail}");
    world.server.until_state(world.vm.as_str(), "RUNNING").await;
    assert_eq!(world.done(), 0);
    assert_eq!(world.change().await.body["number"], 1);
}

async fn a_change_that_may_be_repeated_finds_the_machine_that_follows(backend: Backend) {
    let world = World::new(backend, &[]).await;
    world.server.provider.kill(&world.vm);
    let mut keyed = request(Method::POST, &world.terminals(), Some(json!({})));
    keyed
        .headers_mut()
        .insert("idempotency-key", "k".parse().unwrap());
    let answer = world.server.send(keyed).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(world.done(), 1);
    assert_eq!(world.server.provider.started.load(SeqCst), 2);
    eventually(async || {
        let vm = world.server.get(&world.path).await;
        vm.body["reasonCode"] != Value::Null
    })
    .await;
}

both_dbs! {
    twenty_changes_at_once_share_one_thaw_and_are_executed_once_each
    reads_of_a_sleeping_vm_wake_nothing
    a_read_in_flight_ends_when_its_vm_freezes
    a_quiesced_agent_is_asked_again_until_it_executes
    a_quiesced_agent_is_not_asked_for_ever_nor_with_a_body_that_went_by
    a_change_while_the_vm_goes_to_sleep_wakes_it
    bad_input_5_a_wait_for_a_resume_that_runs_out_leaves_nothing_half_done
    a_change_that_may_be_repeated_finds_the_machine_that_follows
}
