//! Simulated machines: many, slow and failing ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::http::StatusCode;
use ff_client::{AgentClient, Secret};
use ff_cloud::compute::sim::{SimProvider, Step};
use ff_cloud::compute::{BelongingKind, ComputeError, Power, Provider, Spec};
use ff_protocol::agent::{Health, Quiesce, Quiesced, SuspendTier};
use ff_protocol::limits::{Applied, Preset};
use ff_protocol::{Problem, VmId};
use futures_util::StreamExt;
use reqwest::Method;
use support::backend::Backend;
use support::{Server, turn};

async fn running(provider: &SimProvider, vm: &VmId) -> AgentClient {
    let token = Secret::new(format!("token of {vm}"));
    provider.ensure_home(vm).await.unwrap();
    let spec = Spec {
        image: "image",
        limits: Preset::Small.limits(),
    };
    provider.create(vm, spec).await.unwrap();
    provider.write_token(vm, &token).await.unwrap();
    provider.start(vm).await.unwrap();
    let machine = provider.inspect(vm).await.unwrap().unwrap();
    AgentClient::new(vm.clone(), &machine.address.unwrap(), token).unwrap()
}

fn ended(exit_code: i64, out_of_memory: bool) -> Power {
    Power::Off {
        exit_code: Some(exit_code),
        out_of_memory,
    }
}

async fn power(provider: &SimProvider, vm: &VmId) -> Power {
    provider.inspect(vm).await.unwrap().unwrap().power
}

/// Waits for something that has to happen soon.
async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("{what} never happened"))
}

/// Speaks to an agent as no client of ours does.
struct Raw {
    base: String,
    token: String,
}

impl Raw {
    async fn of(provider: &SimProvider, vm: &VmId) -> Self {
        let machine = provider.inspect(vm).await.unwrap().unwrap();
        Self {
            base: machine.address.unwrap(),
            token: format!("token of {vm}"),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    async fn quiesce(&self, tier: SuspendTier) -> reqwest::Response {
        let asked = Quiesce {
            id: "q-1".to_owned(),
            tier,
            ttl_seconds: 600,
            idle_seconds: 60,
            let_go: false,
        };
        let request = self.request(Method::POST, "/agent/quiesce").json(&asked);
        soon("an answer", request.send()).await.unwrap()
    }
}

/// Counts what is not a read, and answers everything.
fn count_requests(provider: &SimProvider) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let router = axum::Router::new().fallback(async move || {
        counted.fetch_add(1, SeqCst);
        "done"
    });
    *provider.engine.lock().unwrap() = router;
    count
}

async fn code(response: reqwest::Response) -> String {
    let problem: Problem = response.json().await.unwrap();
    problem.code.as_str().to_owned()
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
    assert_eq!(off.power, ended(1, false));
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

#[tokio::test]
async fn a_frozen_agent_answers_on_thaw_and_executes_what_nobody_waits_for_any_more() {
    let provider = SimProvider::new();
    let vm = VmId::generate();
    let agent = running(&provider, &vm).await;
    let raw = Raw::of(&provider, &vm).await;
    let count = count_requests(&provider);
    for _ in 0..2 {
        provider.freeze(&vm).await.unwrap();
        assert_eq!(power(&provider, &vm).await, Power::Frozen);
    }
    assert!(provider.start(&vm).await.is_err());
    let health = tokio::spawn(async move { agent.health().await });
    let given_up = raw.request(Method::POST, "/api/x").body("{}");
    let short = Duration::from_millis(300);
    assert!(
        given_up
            .timeout(short)
            .send()
            .await
            .unwrap_err()
            .is_timeout()
    );
    let until = chrono::Utc::now().timestamp_millis() + 100;
    let late = raw
        .request(Method::POST, "/api/y")
        .header("ff-deadline", until);
    assert!(late.timeout(short).send().await.unwrap_err().is_timeout());
    assert!(!health.is_finished(), "it answers while it is frozen");
    assert_eq!(count.load(SeqCst), 0);

    for _ in 0..2 {
        provider.thaw(&vm).await.unwrap();
        assert_eq!(power(&provider, &vm).await, Power::On);
    }
    soon("an answer", health).await.unwrap().unwrap();
    soon("what was given up", async {
        while count.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let late = raw
        .request(Method::POST, "/api/y")
        .header("ff-deadline", until);
    let late = soon("an answer", late.send()).await.unwrap();
    assert_eq!(
        (late.status().as_u16(), code(late).await.as_str()),
        (504, "timeout")
    );
    assert_eq!(count.load(SeqCst), 1, "a request ran after its deadline");

    provider.freeze(&vm).await.unwrap();
    let hanging = tokio::spawn(raw.request(Method::GET, "/agent/health").send());
    provider.stop(&vm, Duration::ZERO).await.unwrap();
    assert_eq!(power(&provider, &vm).await, ended(0, false));
    let hanging = soon("an answer", hanging).await.unwrap().unwrap();
    assert!(!hanging.status().is_success());
    assert!(provider.freeze(&vm).await.is_err(), "it froze what is off");
    let missing = provider.freeze(&VmId::generate()).await;
    assert!(matches!(missing, Err(ComputeError::MachineMissing(_))));
}

#[tokio::test]
async fn a_quiesced_agent_executes_reads_only_until_it_ends() {
    let provider = SimProvider::new();
    let vm = VmId::generate();
    running(&provider, &vm).await;
    let raw = Raw::of(&provider, &vm).await;
    let count = count_requests(&provider);
    let early = raw.quiesce(SuspendTier::Frozen).await;
    assert_eq!(
        (early.status().as_u16(), code(early).await.as_str()),
        (409, "busy")
    );
    provider.work().quiet_seconds = 60;
    provider.work_of(&vm).working = vec![turn("a build")];
    let busy: Problem = raw.quiesce(SuspendTier::Frozen).await.json().await.unwrap();
    assert!(busy.detail.contains("a build"), "{busy}");
    provider.work_of(&vm).working.clear();
    provider.work_of(&vm).holding = vec![turn("a question")];
    let busy: Problem = raw
        .quiesce(SuspendTier::Stopped)
        .await
        .json()
        .await
        .unwrap();
    assert!(busy.detail.contains("a question"), "{busy}");
    for _ in 0..2 {
        let given: Quiesced = raw.quiesce(SuspendTier::Frozen).await.json().await.unwrap();
        assert_eq!(given.holding[0].name, "a question");
    }

    let health = raw
        .request(Method::GET, "/agent/health")
        .send()
        .await
        .unwrap();
    let health: Health = health.json().await.unwrap();
    assert_eq!(health.quiesced.as_deref(), Some("q-1"));
    let read = raw.request(Method::GET, "/api/x").send().await.unwrap();
    assert!(read.status().is_success());
    let refused = raw.request(Method::POST, "/api/x").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), code(refused).await.as_str()),
        (409, "quiesced")
    );
    assert_eq!(count.load(SeqCst), 1);
    let ended = raw.request(Method::DELETE, "/agent/quiesce/q-1").send();
    assert_eq!(ended.await.unwrap().status().as_u16(), 204);
    let done = raw.request(Method::POST, "/api/x").send().await.unwrap();
    assert!(done.status().is_success());
}

#[tokio::test]
async fn reports_come_at_once_and_on_change_and_end_with_the_machine() {
    let provider = SimProvider::new();
    let (vm, other) = (VmId::generate(), VmId::generate());
    running(&provider, &vm).await;
    running(&provider, &other).await;
    let raw = Raw::of(&provider, &vm).await;
    let response = raw
        .request(Method::GET, "/agent/reports")
        .send()
        .await
        .unwrap();
    let mut lines = response.bytes_stream();
    let mut next = async || -> Option<Health> {
        let line = soon("a report", lines.next()).await?.ok()?;
        Some(serde_json::from_slice(&line).unwrap())
    };
    assert!(next().await.unwrap().working.is_empty());
    provider.work_of(&other).working = vec![turn("elsewhere")];
    provider.work().working = vec![turn("a turn")];
    assert_eq!(next().await.unwrap().working[0].name, "a turn");
    provider.work().holding = vec![turn("a question")];
    assert_eq!(next().await.unwrap().holding[0].name, "a question");

    provider.freeze(&vm).await.unwrap();
    provider.work().working.clear();
    provider.thaw(&vm).await.unwrap();
    let mut report = next().await.unwrap();
    while !report.working.is_empty() {
        report = next().await.unwrap();
    }
    provider.kill(&vm);
    assert!(next().await.is_none(), "a dead agent reports");
}

#[tokio::test]
async fn a_thousand_streams_of_reports_cost_no_task_but_their_connections() {
    let provider = SimProvider::new();
    let mut streams = Vec::new();
    for _ in 0..1000 {
        let vm = VmId::generate();
        running(&provider, &vm).await;
        let raw = Raw::of(&provider, &vm).await;
        let response = raw
            .request(Method::GET, "/agent/reports")
            .send()
            .await
            .unwrap();
        let mut lines = Box::pin(response.bytes_stream());
        soon("a report", lines.next()).await.unwrap().unwrap();
        streams.push(lines);
    }
    // Both ends of a connection are in this process: a task each, and one the client may keep.
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert!(tasks <= 3 * streams.len() + 50, "{tasks} tasks");
    provider.work().working = vec![turn("a turn")];
    for lines in &mut streams {
        let line = soon("a report", lines.next()).await.unwrap().unwrap();
        let report: Health = serde_json::from_slice(&line).unwrap();
        assert_eq!(report.working[0].name, "a turn");
    }
}

#[tokio::test]
async fn limits_and_images_are_those_a_machine_was_made_with_until_they_change() {
    let provider = SimProvider::new();
    let vm = VmId::generate();
    running(&provider, &vm).await;
    let (small, large) = (Preset::Small.limits(), Preset::Large.limits());
    let made = provider.made_of(&vm).unwrap();
    assert_eq!((made.image.as_str(), made.limits), ("image", small));
    let machine = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(machine.image_id, "sha-image");
    provider.limits_at_next_start.store(true, SeqCst);
    let applied = provider.set_limits(&vm, large).await.unwrap();
    assert_eq!(applied, Applied::NextResume);
    assert_eq!(provider.made_of(&vm).unwrap().limits, small);
    provider.stop(&vm, Duration::ZERO).await.unwrap();
    let applied = provider.set_limits(&vm, large).await.unwrap();
    assert_eq!(applied, Applied::Now);
    assert_eq!(provider.made_of(&vm).unwrap().limits, large);
    provider.fail(Step::Limits, 1);
    assert!(provider.set_limits(&vm, large).await.is_err());

    provider.set_image("image", "sha-other");
    let id = provider.image("image").await.unwrap();
    assert_eq!(id.as_deref(), Some("sha-other"));
    assert_eq!(
        provider.image("sha-image").await.unwrap().as_deref(),
        Some("sha-image")
    );
    let kept = ["sha-image".to_owned()];
    provider.keep_images(&kept).await.unwrap();
    assert_eq!(provider.kept_images(), kept);
    provider.set_bad_image("sha-other", true);
    running_without_agent(&provider, &vm).await;
    provider.lose_image("sha-other");
    assert_eq!(provider.image("image").await.unwrap(), None);
    provider.no_image.store(true, SeqCst);
    assert_eq!(provider.image("sha-image").await.unwrap(), None);
}

async fn running_without_agent(provider: &SimProvider, vm: &VmId) {
    let spec = Spec {
        image: "image",
        limits: Preset::Small.limits(),
    };
    provider.create(vm, spec).await.unwrap();
    let token = Secret::new("token");
    provider.write_token(vm, &token).await.unwrap();
    provider.start(vm).await.unwrap();
    let machine = provider.inspect(vm).await.unwrap().unwrap();
    assert_eq!((machine.power, machine.address), (Power::On, None));
}

#[tokio::test]
async fn what_happens_to_a_machine_is_told_logged_and_listed() {
    let provider = SimProvider::new();
    let vm = VmId::generate();
    let mut events = provider.watch().await.unwrap();
    running(&provider, &vm).await;
    provider.kill_with(&vm, 137, true);
    assert_eq!(power(&provider, &vm).await, ended(137, true));
    let log = provider.logs(&vm, 1).await.unwrap();
    assert_eq!(log, ["the agent has ended with exit code 137"]);
    assert!(provider.logs(&vm, 10).await.unwrap().len() > 1);
    provider.add_network("net-1", None);
    let mut kinds: Vec<_> = provider.belongings().await.unwrap();
    kinds.sort_by_key(|found| found.kind == BelongingKind::Network);
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[0].vm_id.as_ref(), Some(&vm));
    provider.remove_network("net-1").await.unwrap();
    provider.lose_machine(&vm);
    provider.lose_home(&vm);
    assert!(provider.belongings().await.unwrap().is_empty());
    assert!(provider.logs(&vm, 1).await.is_err());
    // Home, create, start, kill, machine and home lost.
    for _ in 0..6 {
        assert_eq!(soon("an event", events.next()).await.as_ref(), Some(&vm));
    }
    provider.break_watches();
    assert_eq!(soon("the end", events.next()).await, None);
    provider.down.store(true, SeqCst);
    assert!(provider.watch().await.is_err());
}
