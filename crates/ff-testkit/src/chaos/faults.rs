//! What is broken by hand, beside the kills at crash points.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;

use super::GUEST;
use super::engine_killed;
use super::random::Random;
use super::schedule::Need;
use super::world::World;

const SOON: Duration = Duration::from_secs(90);
/// First requests of one user at once.
const CROWD: usize = 20;

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The agent in a VM is killed.
    AgentKilled,
    /// A VM's container is killed.
    ContainerKilled,
    /// It is removed.
    ContainerRemoved,
    /// It is removed, and its volume with it.
    VolumeRemoved,
    /// Requests come while a VM is frozen.
    FreezeRace,
    /// The server is killed while a user's first requests are under way.
    CrowdKilled,
    /// The engine is killed and started again, with and without `live-restore`.
    EngineKilled,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AgentKilled,
        Self::ContainerKilled,
        Self::ContainerRemoved,
        Self::VolumeRemoved,
        Self::FreezeRace,
        Self::CrowdKilled,
        Self::EngineKilled,
    ];

    /// Whether it takes about a minute; it has a test of its own.
    pub fn takes_long(self) -> bool {
        self == Self::EngineKilled
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentKilled => "agent.killed",
            Self::ContainerKilled => "container.killed",
            Self::ContainerRemoved => "container.removed",
            Self::VolumeRemoved => "volume.removed",
            Self::FreezeRace => "freeze.race",
            Self::CrowdKilled => "crowd.killed",
            Self::EngineKilled => "engine.killed",
        }
    }
}

impl World {
    /// Breaks it, and looks at what comes of it.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn suffer(&mut self, fault: Fault, random: &mut Random) -> Result<()> {
        self.start(None, 0).await?;
        match fault {
            Fault::AgentKilled => self.ends(GUEST, AGENT, "exited").await?,
            Fault::ContainerKilled => self.ends(GUEST, &["kill"], "exited").await?,
            Fault::ContainerRemoved => {
                self.ends(GUEST, &["rm", "--force"], "container_removed")
                    .await?;
            }
            Fault::VolumeRemoved => {
                let vm = self.bring(GUEST, Need::Running).await?;
                self.kill().await?;
                self.lose(&vm).await?;
                self.start(None, 0).await?;
                self.verdict().await?;
                self.loss_is_told(GUEST, &vm).await?;
            }
            Fault::FreezeRace => {
                self.freeze_race().await?;
                self.freeze_beyond_deadlines().await?;
            }
            Fault::CrowdKilled => self.crowd_killed(random).await?,
            Fault::EngineKilled => engine_killed::play(&self.settings).await?,
        }
        self.verdict().await
    }

    /// Ends a VM of its own by this command, and waits until it runs again and tells why.
    async fn ends(&mut self, user: &str, command: &[&str], reason: &str) -> Result<()> {
        // A new one each time: what ends often is started again later.
        self.bring(user, Need::None).await?;
        let vm = self.bring(user, Need::Running).await?;
        let before = self.row(user).await?.and_then(|row| row.machine_start);
        let container = format!("ff-vm-{vm}");
        match command {
            [script] if script.contains('\n') => {
                let exec = ["exec", &container, "sh", "-c", script];
                // It may end with the VM.
                let _ = self.docker.command(exec).outcome().await?;
            }
            command => {
                let args = command.iter().copied().chain([container.as_str()]);
                self.docker.run(args).await?;
            }
        }
        // An engine kills what it removes: the end may be seen first.
        let may_be = ["exited"].into_iter().filter(|_| command.contains(&"rm"));
        let reasons: Vec<&str> = may_be.chain([reason]).collect();
        self.comes_back(user, before.as_deref(), &reasons).await?;
        self.verdict().await?;
        self.command_works(user).await
    }

    /// Waits until a VM runs on another start of its container than this one, and tells why.
    ///
    /// # Errors
    /// It does not, or tells another reason.
    pub async fn comes_back(
        &self,
        user: &str,
        before: Option<&str>,
        reasons: &[&str],
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let row = self.row(user).await?.context("the VM is gone")?;
            let (state, told) = (&row.state, row.reason_code.as_deref());
            if state == "RUNNING" && row.machine_start.as_deref() != before {
                let is_told = told.is_some_and(|told| reasons.contains(&told));
                ensure!(is_told, "the reason is {told:?}");
                return Ok(());
            }
            ensure!(
                begun.elapsed() < SOON,
                "it is {state} ({told:?}), and not new"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn crowd_killed(&mut self, random: &mut Random) -> Result<()> {
        self.bring(GUEST, Need::None).await?;
        let wait = Duration::from_millis(random.below(600) as u64);
        let asks = (0..CROWD).map(|_| self.call(GUEST, Method::POST, "/api/vms", json!({})));
        let asks = join_all(asks);
        // Those that are under way are cut off by the server's end.
        let _ = tokio::time::timeout(wait, asks).await;
        self.start(None, 0).await?;
        self.verdict().await?;
        let asks = (0..CROWD).map(|_| self.call(GUEST, Method::POST, "/api/vms", json!({})));
        let mut ids = BTreeSet::new();
        for answer in join_all(asks).await {
            ids.insert(answer?.ok("make a VM")?["id"].to_string());
        }
        ensure!(ids.len() == 1, "one user has the VMs {ids:?}");
        let rows = self.rows().await?;
        let of_user = |row: &&super::verdict::Row| {
            row.user_id.as_deref() == Some(GUEST) && row.state != "TERMINATED"
        };
        let lives = rows.iter().filter(of_user).count();
        ensure!(lives == 1, "one user has {lives} VMs");
        self.command_works(GUEST).await
    }
}

/// Kills the agent, by whatever pid it has.
const AGENT: &[&str] = &["for p in /proc/[0-9]*; do
    [ \"$(cat $p/comm)\" = ff-agent ] && kill -9 ${p#/proc/}
done"];
