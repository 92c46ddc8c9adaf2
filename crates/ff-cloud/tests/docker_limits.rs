//! VMs at their limits, on the real engine, looked at from outside: `docker`, the host's `/proc`
//! and its control groups.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use ff_client::{AgentClient, ClientError, CloudClient, TerminalPlace};
use ff_protocol::agent::{Health, NoticeKind};
use ff_protocol::terminal::CreateTerminal;
use ff_protocol::{ErrorCode, VmId};
use support::engine::Online;
use support::program::{eventually, signal, typed};
use support::world::{Made, World, docker, inspect};

const PIDS: u64 = 256;

/// A small VM, a way to type into it, and a way to ask its agent.
struct Small {
    client: CloudClient,
    agent: AgentClient,
    id: VmId,
    made: Made,
    /// Of the container's start: its time, and the number of the agent's process.
    start: (String, u32),
    _online: Online,
    _world: World,
}

impl Small {
    async fn new() -> Self {
        let pids = PIDS.to_string();
        let world = World::new(&["--vm-memory", "512m", "--vm-pids", &pids]).await;
        let online = Online::start(&world.server).await;
        let client = online.client("test-user");
        let made = world.vm().await;
        let id: VmId = made.id.parse().unwrap();
        let endpoint = world.server.app.vms.running(&id).await.unwrap();
        let agent = AgentClient::new(id.clone(), &endpoint.base_url, endpoint.token).unwrap();
        let start = start(&made);
        Self {
            client,
            agent,
            id,
            made,
            start,
            _online: online,
            _world: world,
        }
    }

    async fn typed(&self, line: &str, end: &str) -> String {
        typed(&self.client, &self.id, line, end).await
    }

    /// Asks the agent again and again, which has to answer each time, until its last notice is
    /// this.
    async fn noticed(&self, kind: NoticeKind, part: &str) -> Health {
        eventually("the notice", async || {
            let health = self.agent.health().await.unwrap();
            let last = health.notices.last();
            let there = last.is_some_and(|last| last.kind == kind && last.text.contains(part));
            there.then_some(health)
        })
        .await
    }

    async fn until_gone(&self, name: &str) {
        eventually("its end", async || {
            numbers(&self.made, name).is_empty().then_some(())
        })
        .await;
    }

    /// The same agent in the same start of the container, and a VM one can work in.
    async fn is_well(&self) {
        assert_eq!(start(&self.made), self.start);
        self.typed("echo us''able", "usable").await;
    }

    fn counted(&self, controller: &str, file: &str) -> String {
        let group = group(&inspect(&self.made.container), controller);
        std::fs::read_to_string(group.join(file)).unwrap()
    }

    fn pids(&self) -> u64 {
        let text = self.counted("pids", "pids.current");
        text.trim().parse().unwrap()
    }
}

fn start(made: &Made) -> (String, u32) {
    let found = inspect(&made.container);
    assert_eq!(found["State"]["Running"], true);
    let agents = numbers(made, "ff-agent");
    assert_eq!(agents.len(), 1, "{agents:?}");
    let since = found["State"]["StartedAt"].as_str().unwrap();
    (since.to_owned(), agents[0])
}

/// The host's numbers of a container's processes of this name.
fn numbers(made: &Made, name: &str) -> Vec<u32> {
    let listed = docker(&["top", &made.container, "-eo", "pid,comm"]);
    let lines = listed.lines().map(|line| line.trim().split_once(' '));
    lines
        .flatten()
        .filter(|(_, comm)| comm.trim() == name)
        .map(|(pid, _)| pid.parse().unwrap())
        .collect()
}

/// The host's directory of a container's control group.
fn group(found: &serde_json::Value, controller: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", found["State"]["Pid"])).unwrap();
    let root = PathBuf::from("/sys/fs/cgroup");
    let path_in = |wanted: &str| {
        let mut fields = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.split_once(':')
        });
        let (_, path) = fields.find(|(names, _)| names.split(',').any(|it| it == wanted))?;
        Some(path.trim_start_matches('/'))
    };
    match path_in(controller) {
        Some(path) => root.join(controller).join(path),
        None => root.join(path_in("").unwrap()),
    }
}

fn score(pid: u32) -> i32 {
    let path = format!("/proc/{pid}/oom_score_adj");
    std::fs::read_to_string(path)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fills_the_memory_dies_before_the_agent_and_is_named() {
    let vm = Small::new().await;
    vm.typed("sleep 4242 & echo star''ted", "started").await;
    eventually("the scores of users' processes", async || {
        let all = [numbers(&vm.made, "bash"), numbers(&vm.made, "sleep")].concat();
        (all.len() == 2 && all.iter().all(|pid| score(*pid) == 500)).then_some(())
    })
    .await;
    let first = numbers(&vm.made, "tini")[0];
    assert_eq!((score(first), score(vm.start.1)), (0, 0));

    // Slow enough to be seen coming.
    let slow =
        r#"perl -e 'while (1) { push @a, "x" x (1 << 20); select(undef, undef, undef, 0.01) }'"#;
    vm.typed(&format!("{slow}; echo en''ded"), "ended").await;
    vm.noticed(NoticeKind::OutOfMemory, "`perl` (pid ").await;
    vm.until_gone("perl").await;
    vm.is_well().await;

    // Too fast for anyone but the kernel.
    let fast = r#"const all = []; for (;;) all.push(Buffer.alloc(1 << 25, 1))"#;
    vm.typed(&format!("node -e '{fast}'; echo en''ded"), "ended")
        .await;
    let health = vm.noticed(NoticeKind::OutOfMemory, "`node` (pid ").await;
    assert!(health.notices.len() <= 16);
    vm.until_gone("node").await;
    vm.is_well().await;
    assert_eq!(
        numbers(&vm.made, "sleep").len(),
        1,
        "an innocent was killed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_ends_and_is_named() {
    let vm = Small::new().await;
    vm.typed("sleep 4242 & echo star''ted", "started").await;
    let before = vm.pids();
    vm.typed("echo go''es; :(){ :|:& };:", "goes").await;
    vm.noticed(NoticeKind::TooManyProcesses, "`bash`").await;
    eventually("fewer processes", async || {
        vm.agent.health().await.unwrap();
        (vm.pids() <= before + 4).then_some(())
    })
    .await;
    vm.is_well().await;
    assert_eq!(
        numbers(&vm.made, "sleep").len(),
        1,
        "an innocent was killed"
    );

    // Each in a session of its own, and nobody's child.
    let scattered = "perl -MPOSIX -e 'while (1) { if (!fork) { setsid; sleep 1 while 1 } }'";
    vm.typed(&format!("echo go''es; {scattered} & exit"), "goes")
        .await;
    vm.noticed(NoticeKind::TooManyProcesses, "`perl`").await;
    vm.until_gone("perl").await;
    vm.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_at_the_limit_of_processes_reports() {
    let vm = Small::new().await;
    // Another user's, whom the agent may not kill; every place that becomes free is taken.
    let fill = r#"while (1) { my $child = fork // do { sleep 1; next }; exec "sleep", "4242" if !$child }"#;
    let container = &vm.made.container;
    docker(&["exec", "-d", "-u", "0", container, "perl", "-e", fill]);
    let full = async || (vm.pids() == PIDS).then_some(());
    eventually("as many processes as there may be", full).await;
    let place = TerminalPlace::Vm(vm.id.clone());
    let ask = CreateTerminal::default();
    for _ in 0..8 {
        vm.agent.health().await.unwrap();
        let refused = vm.client.engine().create_terminal(&place, &ask).await;
        let ClientError::Problem(problem) = refused.unwrap_err() else {
            panic!("the agent broke off");
        };
        assert_eq!(problem.code, ErrorCode::LimitReached);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(vm.pids(), PIDS);
    assert_eq!(vm.agent.health().await.unwrap().notices, []);
    for name in ["perl", "sleep"] {
        for pid in numbers(&vm.made, name) {
            signal("KILL", pid);
        }
        vm.until_gone(name).await;
    }
    vm.is_well().await;
}
