//! Simulated machines: many, slow and failing ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::time::Duration;

use axum::http::StatusCode;
use ff_client::{AgentClient, Secret};
use ff_cloud::compute::sim::{SimProvider, Step};
use ff_cloud::compute::{ComputeError, Power, Provider};
use ff_protocol::VmId;
use support::Server;
use support::backend::Backend;

async fn running(provider: &SimProvider, vm: &VmId) -> AgentClient {
    let token = Secret::new(format!("token of {vm}"));
    provider.ensure_home(vm).await.unwrap();
    provider.create(vm, "image").await.unwrap();
    provider.write_token(vm, &token).await.unwrap();
    provider.start(vm).await.unwrap();
    let machine = provider.inspect(vm).await.unwrap().unwrap();
    AgentClient::new(vm.clone(), &machine.address.unwrap(), token).unwrap()
}

#[tokio::test]
async fn ten_thousand_machines_have_an_address_each_and_no_task() {
    let provider = SimProvider::new();
    let first = VmId::generate();
    running(&provider, &first).await;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let mut agents = Vec::new();
    for number in 1..10_000 {
        let agent = running(&provider, &VmId::generate()).await;
        if number % 1000 == 0 {
            agents.push(agent);
        }
    }
    let now = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(now, tasks, "idle machines have tasks");
    let machines = provider.list().await.unwrap();
    assert_eq!(machines.len(), 10_000);
    let addresses: std::collections::HashSet<_> = machines
        .into_iter()
        .map(|machine| machine.address)
        .collect();
    assert_eq!(addresses.len(), 10_000);
    for agent in &agents {
        // Each proves to be its own VM's, and no other's.
        agent
            .hello("00112233445566778899aabbccddeeff")
            .await
            .unwrap();
        assert_eq!(&agent.health().await.unwrap().vm_id, agent.vm_id());
    }
}

#[tokio::test]
async fn an_agent_answers_its_own_start_and_token_only() {
    let provider = SimProvider::new();
    let vm = VmId::generate();
    let agent = running(&provider, &vm).await;
    let machine = provider.inspect(&vm).await.unwrap().unwrap();
    let address = machine.address.clone().unwrap();
    let wrong = AgentClient::new(vm.clone(), &address, Secret::new("another")).unwrap();
    assert!(
        wrong
            .hello("00112233445566778899aabbccddeeff")
            .await
            .is_err()
    );
    assert!(wrong.health().await.is_err());

    provider.stop(&vm, Duration::ZERO).await.unwrap();
    assert!(agent.health().await.is_err(), "it answers while it is off");
    provider.start(&vm).await.unwrap();
    let off = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(off.power, Power::Off { exit_code: Some(1) });
    let token = Secret::new("next");
    provider.write_token(&vm, &token).await.unwrap();
    provider.start(&vm).await.unwrap();
    let again = provider.inspect(&vm).await.unwrap().unwrap();
    assert_ne!(again.start, machine.start);
    assert_ne!(again.address, machine.address);
    assert!(
        agent.health().await.is_err(),
        "an address of before answers"
    );
    let refused = provider.write_token(&vm, &token).await;
    assert!(matches!(refused, Err(ComputeError::Failed { .. })));
}

#[tokio::test]
async fn steps_fail_and_take_time_as_told() {
    let server = Server::new(Backend::Sqlite).await;
    let provider = &server.provider;
    provider.fail(Step::Start, 1);
    let failed = server.create_vm("test-user").await;
    assert_eq!(failed.code(), "compute_unavailable", "{failed:?}");
    let detail = failed.body["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "the simulation failed to start a machine: it was told to fail"
    );
    assert_eq!((provider.machines(), provider.homes()), (0, 0));

    let (start, boot) = (Duration::from_millis(60), Duration::from_millis(120));
    provider.slow(Step::Start, start);
    provider.slow(Step::Boot, boot);
    let began = std::time::Instant::now();
    let made = server.create_vm("test-user").await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    assert_eq!(made.body["state"], "RUNNING");
    assert!(began.elapsed() >= start + boot);
}
