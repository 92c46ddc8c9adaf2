//! Requests and freezes at the same time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use ff_protocol::agent::DEADLINE_HEADER;
use futures_util::future::{join_all, try_join_all};
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::SLEEPER;
use super::schedule::Need;
use super::verdict::Row;
use super::world::World;
use crate::bench::http::{Answer, Http, Peer};
use crate::journey::process::eventually;

/// Requests that race a freeze, at once, and how often.
const RACERS: usize = 6;
const RACES: usize = 3;
const SOON: Duration = Duration::from_secs(30);
/// Deadlines, one to be missed and one to be kept.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(600);
const AGENT_PORT: u16 = 7070;

impl World {
    /// Terminals are asked for while the VM is frozen again and again: what was answered with
    /// success is there, and what was refused is not, also after the last thaw.
    ///
    /// # Errors
    /// It is not so.
    pub async fn freeze_race(&mut self) -> Result<()> {
        let vm = self.bring(SLEEPER, Need::Running).await?;
        let path = format!("/api/vms/{vm}/terminals");
        let (mut made, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for race in 0..RACES {
            let ask = async |nth: usize| {
                let name = format!("race-{race}-{nth}");
                tokio::time::sleep(Duration::from_millis(10 * nth as u64)).await;
                let body = json!({"name": name});
                let answer = self.call(SLEEPER, Method::POST, &path, body).await?;
                let body = answer.body;
                anyhow::Ok((name, answer.status, body))
            };
            let suspend = async {
                for _ in 0..RACERS {
                    let suspend = format!("/api/vms/{vm}/suspend");
                    let tier = json!({"tier": "frozen"});
                    self.call(SLEEPER, Method::POST, &suspend, tier).await?;
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                anyhow::Ok(())
            };
            let (answers, slept) = tokio::join!(join_all((0..RACERS).map(ask)), suspend);
            slept?;
            for answer in answers {
                let (name, status, body) = answer?;
                match status.as_u16() {
                    200..300 => drop(made.insert((name, body["id"].to_string()))),
                    _ => drop(refused.insert((name, body["code"].to_string()))),
                }
            }
        }
        self.bring(SLEEPER, Need::Running).await?;
        self.verdict().await?;
        let there = self.terminals(&path, "race-").await?;
        if there != made {
            bail!("answered: {made:?}; there: {there:?}; refused: {refused:?}");
        }
        self.close(&path, &made).await
    }

    /// Requests with deadlines reach the kernel of a VM that is frozen by hand. Those whose
    /// deadline is over when it thaws must never be executed, the others must.
    ///
    /// # Errors
    /// It is not so.
    pub async fn freeze_beyond_deadlines(&mut self) -> Result<()> {
        let vm = self.bring(SLEEPER, Need::Running).await?;
        let path = format!("/api/vms/{vm}/terminals");
        let stays = json!({"name": "frozen-stays"});
        let stays = self.call(SLEEPER, Method::POST, &path, stays).await?;
        let stays = stays.ok("open a terminal")?["id"].clone();
        let stays = format!("{path}/{}", stays.as_str().unwrap_or_default());
        let row = self.row(SLEEPER).await?.context("there is no VM")?;
        // A server would thaw it at once.
        self.kill().await?;
        let container = format!("ff-vm-{vm}");
        let format = "{{.State.Pid}} {{.NetworkSettings.IPAddress}}";
        let found = self.docker.field(&container, format).await?;
        let (pid, ip) = found.split_once(' ').context("it does not run")?;
        let agent = SocketAddr::new(ip.parse()?, AGENT_PORT);
        let token = self.agent_token(&row)?;
        let with = |deadline: Duration| {
            Http::new(Peer::Tcp(agent))
                .with("authorization", &format!("Bearer {token}"))
                .with(DEADLINE_HEADER, &deadline.as_millis().to_string())
        };

        let before = self.shells(&container).await?;
        self.docker.run(["pause", &container]).await?;
        let end = now() + SHORT;
        let (late, in_time) = (with(end), with(end + LONG));
        let bodies = |who: &str| -> Vec<Value> {
            let names = (0..RACERS).map(|n| json!({"name": format!("frozen-{who}-{n}")}));
            names.collect()
        };
        let (first, second) = (bodies("late"), bodies("in-time"));
        let ask = |http, bodies| {
            let bodies: &[Value] = bodies;
            let asks = bodies.iter();
            try_join_all(asks.map(|body| Http::call(http, Method::POST, &path, Some(body))))
        };
        let remove = late.call(Method::DELETE, &stays, None);
        let thaw = async {
            eventually("the requests are in its kernel", SOON, async || {
                Ok((unread(pid)? > 2 * RACERS).then_some(()))
            })
            .await?;
            eventually("the deadline is over", SOON, async || {
                Ok((now() > end).then_some(()))
            })
            .await?;
            self.docker.run(["unpause", &container]).await
        };
        let asked =
            async { tokio::try_join!(ask(&late, &first), remove, ask(&in_time, &second), thaw) };
        let (late, removed, in_time, _) = asked.await?;

        let codes = |all: &[Answer]| {
            let codes = all.iter().map(|it| it.status.as_u16());
            codes.collect::<Vec<_>>()
        };
        let refused: Vec<Answer> = late.into_iter().chain([removed]).collect();
        ensure!(
            refused
                .iter()
                .all(|it| it.status == 504 && it.body["code"] == "timeout"),
            "late requests got {:?}",
            codes(&refused)
        );
        ensure!(
            codes(&in_time) == [201; RACERS],
            "others got {:?}",
            codes(&in_time)
        );
        let after = self.shells(&container).await?;
        let new = after.difference(&before).count();
        ensure!(
            new == RACERS && before.is_subset(&after),
            "{RACERS} shells were to be new, and {before:?} became {after:?}"
        );
        self.start(None, 0).await?;
        self.verdict().await?;
        let there = self.terminals(&path, "frozen").await?;
        self.close(&path, &there).await
    }

    /// The token of a VM's agent. The server keeps it nowhere, so it is made again.
    fn agent_token(&self, row: &Row) -> Result<String> {
        let key = std::fs::read(self.data().join("master.key"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
        mac.update(format!("agent-token\n{}\n{}", row.id, row.token_generation).as_bytes());
        Ok(format!("ffa_{}", hex::encode(mac.finalize().into_bytes())))
    }

    /// What the agent in a container has started and not ended.
    async fn shells(&self, container: &str) -> Result<BTreeSet<String>> {
        let text = self
            .docker
            .run(["top", container, "-o", "pid,ppid,comm"])
            .await?;
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let agent = rows.iter().find(|row| row.get(2) == Some(&"ff-agent"));
        let agent = *agent.and_then(|row| row.first()).context("no agent")?;
        let own = rows.iter().filter(|row| row.get(1) == Some(&agent));
        Ok(own.map(|row| row[0].to_owned()).collect())
    }

    /// Names and ids of the sleeper's terminals whose names begin so.
    async fn terminals(&self, path: &str, prefix: &str) -> Result<BTreeSet<(String, String)>> {
        let list = self.call(SLEEPER, Method::GET, path, Value::Null).await?;
        let list = list.ok("list terminals")?;
        let items = list["items"].as_array().or_else(|| list.as_array());
        let items = items.context("no list of terminals")?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = items
            .iter()
            .map(|it| (word(&it["name"]), it["id"].to_string()));
        Ok(all.filter(|(name, _)| name.starts_with(prefix)).collect())
    }

    async fn close(&self, path: &str, terminals: &BTreeSet<(String, String)>) -> Result<()> {
        for (_, id) in terminals {
            let path = format!("{path}/{}", id.trim_matches('"'));
            let closed = self
                .call(SLEEPER, Method::DELETE, &path, Value::Null)
                .await?;
            closed.ok("close a terminal")?;
        }
        Ok(())
    }
}

/// Unix time.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// How many connections to the agent have something that it has not read, in the kernel's table
/// of a process's network.
fn unread(pid: &str) -> Result<usize> {
    let mut count = 0;
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, queues, ..] = fields[..] else {
                continue;
            };
            let to_agent = local.ends_with(&format!(":{AGENT_PORT:04X}"));
            let empty = queues.ends_with(":00000000");
            count += usize::from(to_agent && state == ESTABLISHED && !empty);
        }
    }
    Ok(count)
}

const ESTABLISHED: &str = "01";
