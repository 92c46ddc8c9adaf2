//! The container engine is killed under the server and started again: with `live-restore` VMs must
//! not notice, without it they end with it and must come back. It is an engine of our own; the
//! machine's must not notice either.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_client::socket::TerminalSocket;
use hyper::Method;
use serde_json::{Value, json};

use super::bridge::Bystander;
use super::engine::Engine;
use super::kill::ANSWERS;
use super::schedule::Need;
use super::verdict::{Interval, Row};
use super::world::World;
use super::{GUEST, SLEEPER, Settings};
use crate::bench::user;
use crate::journey::process::eventually;

/// Who has no VM while the engine is away.
const NEWCOMER: &str = "barbara";
const SOON: Duration = Duration::from_secs(60);
/// Programs of a VM that last.
const LASTING: [&str; 3] = ["tini", "ff-agent", "bash"];

/// Plays it.
///
/// # Errors
/// What does not hold.
pub async fn play(settings: &Settings) -> Result<()> {
    let bystander = Bystander::new(&settings.image).await?;
    let before = bystander.look().await?;
    let mut engine = Engine::new().await?;
    let place = engine.place();
    let outcome = on_it(settings, &mut engine).await;
    drop(engine);
    outcome?;
    let left = place.left();
    ensure!(left.is_empty(), "an engine of our own left {left:?}");
    let after = bystander.look().await?;
    ensure!(
        after == before,
        "the machine's engine had {before}, and has {after}"
    );
    Ok(())
}

async fn on_it(settings: &Settings, engine: &mut Engine) -> Result<()> {
    engine.start(true).await?;
    engine.load(&settings.image).await?;
    let mut world = World::new(settings, engine.docker()).await?;
    world.start(None, 0).await?;
    world.outlives_engine(engine).await?;
    world.ends_with_engine(engine).await
}

/// What is known of a user's VM from outside.
struct Known {
    row: Row,
    intervals: Vec<Interval>,
    container: String,
    processes: BTreeSet<Process>,
}

/// A process: its program, its id and its start.
type Process = (String, u32, String);

impl World {
    /// With `live-restore`: what runs runs on, what is frozen stays so.
    async fn outlives_engine(&mut self, engine: &mut Engine) -> Result<()> {
        self.bring(GUEST, Need::Running).await?;
        let vm = self.bring(SLEEPER, Need::Running).await?;
        let mut terminal = self.terminal(GUEST).await?;
        let _kept = self.terminal(SLEEPER).await?;
        self.suspend(SLEEPER, &vm, "frozen").await?;
        self.verdict().await?;
        let (awake, asleep) = (self.known(GUEST).await?, self.known(SLEEPER).await?);

        engine.kill()?;
        self.engine_is_missed(&vm).await?;
        self.suspend_is_refused(&awake.row.id).await?;
        typed(&mut terminal).await?;
        engine.start(true).await?;
        self.engine_is_met().await?;
        self.verdict().await?;

        let now = self.known(GUEST).await?;
        now.is_as_before(&awake)?;
        ensure!(
            now.intervals == awake.intervals,
            "the account of a VM that ran on has {:?}",
            now.intervals
        );
        typed(&mut terminal).await?;
        // It was asked for meanwhile, and wakes now as it was.
        let now = self.known(SLEEPER).await?;
        ensure!(now.row.state == "RUNNING", "it is {}", now.row.state);
        now.is_as_before(&asleep)?;
        self.bring(NEWCOMER, Need::Running).await?;
        self.bring(NEWCOMER, Need::None).await.map(drop)
    }

    /// Without it: what ran runs again, what was frozen is stopped, each on its home.
    async fn ends_with_engine(&mut self, engine: &mut Engine) -> Result<()> {
        let vm = self.bring(SLEEPER, Need::Running).await?;
        self.suspend(SLEEPER, &vm, "frozen").await?;
        self.verdict().await?;
        let (awake, asleep) = (self.known(GUEST).await?, self.known(SLEEPER).await?);

        engine.kill()?;
        engine.start(false).await?;
        self.engine_is_met().await?;
        let start = awake.row.machine_start.as_deref();
        self.comes_back(GUEST, start, &["exited"]).await?;
        self.verdict().await?;

        for before in [&awake, &asleep] {
            let left: Vec<_> = processes(&before.container)
                .intersection(&before.processes)
                .cloned()
                .collect();
            ensure!(left.is_empty(), "processes have outlived it: {left:?}");
        }
        let now = self.known(GUEST).await?;
        ensure!(
            now.container == awake.container,
            "its container is another one"
        );
        let row = self.row(SLEEPER).await?.context("the VM is gone")?;
        let told = (row.state.as_str(), row.reason_code.as_deref());
        ensure!(told == ("STOPPED", Some("exited")), "it is {told:?}");
        for user in [GUEST, SLEEPER] {
            self.command_works(user).await?;
        }
        self.verdict().await
    }

    /// Whoever needs the engine is told that it is not there, and nothing is given up.
    async fn engine_is_missed(&self, asleep: &str) -> Result<()> {
        eventually("its absence is noticed", SOON, async || {
            Ok((self.compute().await? == "unavailable").then_some(()))
        })
        .await?;
        let wake = format!("/api/vms/{asleep}/terminals");
        for (user, path) in [(NEWCOMER, "/api/vms"), (SLEEPER, &wake)] {
            let answer = self.call(user, Method::POST, path, json!({})).await?;
            let (status, body) = (answer.status, answer.body);
            ensure!(
                status == 503 && body["code"] == "compute_unavailable",
                "{path}: {status} {body}"
            );
            let said = ["detail", "hint"].map(|key| body[key].as_str().unwrap_or_default());
            ensure!(said.iter().all(|it| !it.is_empty()), "{path}: {body}");
        }
        for row in self.rows().await? {
            let lasts = row.state != "FAILED" || row.reason_code.as_deref() == ENGINE_AWAY;
            ensure!(lasts, "VM {} failed by {:?}", row.id, row.reason_code);
        }
        Ok(())
    }

    async fn suspend_is_refused(&self, awake: &str) -> Result<()> {
        let path = format!("/api/vms/{awake}/suspend");
        let tier = json!({"tier": "frozen"});
        let refused = self.call(GUEST, Method::POST, &path, tier).await?;
        let code = &refused.body["code"];
        ensure!(
            refused.status == 503 && code == "compute_unavailable",
            "a sleep got {} {code}",
            refused.status
        );
        Ok(())
    }

    async fn engine_is_met(&self) -> Result<()> {
        eventually("it is found again", SOON, async || {
            Ok((self.compute().await? == "ok").then_some(()))
        })
        .await
    }

    async fn compute(&self) -> Result<Value> {
        let health = self
            .call(GUEST, Method::GET, "/healthz", Value::Null)
            .await?;
        Ok(health.ok("ask the server about itself")?["compute"].clone())
    }

    /// A terminal whose shell has begun.
    async fn terminal(&self, user: &str) -> Result<TerminalSocket> {
        let client = self.client(user)?;
        let vm = client.vms().await?.into_iter().next();
        let (_, mut socket) = user::open(&client, &vm.context("there is no VM")?).await?;
        let prompt = user::read_until(&mut socket, |seen| !seen.is_empty());
        tokio::time::timeout(SOON, prompt)
            .await
            .context("no byte of a terminal")??;
        Ok(socket)
    }

    async fn known(&self, user: &str) -> Result<Known> {
        let row = self.row(user).await?.context("there is no VM")?;
        let name = format!("ff-vm-{}", row.id);
        let container = self.docker.field(&name, "{{.Id}}").await?;
        let mut intervals = self.intervals().await?;
        intervals.retain(|it| it.vm_id == row.id);
        Ok(Known {
            processes: processes(&container),
            row,
            intervals,
            container,
        })
    }
}

const ENGINE_AWAY: Option<&str> = Some("compute_unavailable");

impl Known {
    /// Its container, its programs and its start are the same, and no end was counted.
    fn is_as_before(&self, before: &Self) -> Result<()> {
        ensure!(
            self.container == before.container && self.processes == before.processes,
            "{:?} became {:?}",
            before.processes,
            self.processes
        );
        let programs: BTreeSet<&str> = self.processes.iter().map(|it| it.0.as_str()).collect();
        ensure!(
            programs == BTreeSet::from(LASTING),
            "it has only {programs:?}"
        );
        ensure!(
            self.row.machine_start == before.row.machine_start && self.row.restarts == 0,
            "it counts as started again: {:?}",
            self.row
        );
        Ok(())
    }
}

/// A command in a terminal works, also where a sleep was refused.
async fn typed(terminal: &mut TerminalSocket) -> Result<()> {
    tokio::time::timeout(ANSWERS, user::type_in(terminal))
        .await
        .context("a terminal does not answer")?
}

/// The lasting processes in a container's cgroup.
fn processes(container: &str) -> BTreeSet<Process> {
    let mut found = BTreeSet::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // It may have ended meanwhile.
        let read = |file| std::fs::read_to_string(process.path().join(file)).unwrap_or_default();
        let name = process.file_name().to_string_lossy().parse();
        let (Ok(pid), true) = (name, read("cgroup").contains(container)) else {
            continue;
        };
        let program = read("comm").trim().to_owned();
        // What follows the name, which may have anything in it; the start is the 22nd field.
        let stat = read("stat");
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let start = rest.split(' ').nth(19).unwrap_or_default().to_owned();
        if LASTING.contains(&program.as_str()) {
            found.insert((program, pid, start));
        }
    }
    found
}
