//! A server's data, its engine, and what is known of its VMs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ff_client::{Auth, CloudClient};
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::Settings;
use super::docker::Docker;
use super::server::{Server, Start};
use super::verdict::{self, Interval, Row, Seen};
use crate::bench::http::{Answer, Http, Peer};
use crate::journey::outside;

/// The longest deadline of a state, and a margin.
const REST: Duration = Duration::from_secs(130);
const PAUSE: Duration = Duration::from_millis(100);

/// A world of its own. Dropping it removes all that is in it.
#[derive(Debug)]
pub struct World {
    /// The engine.
    pub docker: Docker,
    /// The server; none while it is down.
    pub server: Option<Server>,
    /// Name of the VMs' image, of this world alone.
    pub image: String,
    /// What this world was made with.
    pub settings: Settings,
    repository: String,
    dir: TempDir,
    homes: BTreeMap<String, String>,
    known: BTreeSet<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        // Ends it first: it would make again what is removed.
        self.server = None;
        let instance = self.instance().unwrap_or_else(|_| "none".to_owned());
        if let Err(error) = self.docker.clean(&instance, &self.repository) {
            tracing::error!(%error, instance, "containers, volumes or images may be left");
        }
    }
}

impl World {
    /// A world without a server.
    ///
    /// # Errors
    /// The image is not there.
    pub async fn new(settings: &Settings, docker: Docker) -> Result<Self> {
        let repository = format!("ff-chaos-{}", Uuid::new_v4().simple());
        let image = format!("{repository}:latest");
        docker.run(["tag", &settings.image, &image]).await?;
        Ok(Self {
            docker,
            server: None,
            image,
            settings: settings.clone(),
            repository,
            dir: tempfile::Builder::new().prefix("ff-chaos-").tempdir()?,
            homes: BTreeMap::new(),
            known: BTreeSet::new(),
        })
    }

    /// The server's data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn instance(&self) -> Result<String> {
        let file = self.data().join("instance-id");
        Ok(std::fs::read_to_string(file)?.trim().to_owned())
    }

    /// The lines of the servers' logs of points.
    ///
    /// # Errors
    /// There is none.
    pub fn points(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.dir.path().join("points"))?)
    }

    /// Starts a server, killing the one that runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start(&mut self, crash_at: Option<&str>, pool: u32) -> Result<()> {
        self.kill().await?;
        let start = Start {
            crash_at,
            pool,
            image: &self.image,
            host: self.docker.host.as_deref(),
        };
        let program = self.settings.programs.join("ff-cloud");
        self.server = Some(Server::start(&program, self.dir.path(), &start).await?);
        Ok(())
    }

    /// Kills the server that runs.
    ///
    /// # Errors
    /// It had ended by itself.
    pub async fn kill(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Waits until the server has been killed at its point.
    ///
    /// # Errors
    /// It is not.
    pub async fn died(&mut self) -> Result<()> {
        let mut server = self.server.take().context("there is no server")?;
        server.died().await
    }

    /// A client for what the typed one does not have.
    ///
    /// # Errors
    /// The server is down.
    pub fn http(&self, user: &str) -> Result<Http> {
        let server = self.server.as_ref().context("there is no server")?;
        let address = server.address.context("the server listens nowhere")?;
        Ok(Http::new(Peer::Tcp(address)).of_user(user))
    }

    /// A client that speaks as this user.
    ///
    /// # Errors
    /// The server is down.
    pub fn client(&self, user: &str) -> Result<CloudClient> {
        let server = self.server.as_ref().context("there is no server")?;
        let address = server.address.context("the server listens nowhere")?;
        let url = format!("http://{address}");
        Ok(CloudClient::new(&url, Auth::User(user.parse()?))?)
    }

    /// Makes one call.
    ///
    /// # Errors
    /// The server is down or goes down.
    pub async fn call(
        &self,
        user: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Answer> {
        let body = (!body.is_null()).then_some(&body);
        self.http(user)?.call(method, path, body).await
    }

    /// Puts the user's VM to sleep, once nothing works in it.
    ///
    /// # Errors
    /// It is refused, or works on and on.
    pub async fn suspend(&self, user: &str, vm: &str, tier: &str) -> Result<()> {
        let (path, begun) = (format!("/api/vms/{vm}/suspend"), Instant::now());
        loop {
            let answer = self
                .call(user, Method::POST, &path, json!({"tier": tier}))
                .await?;
            if answer.status != 409 || begun.elapsed() > REST {
                return answer.ok("put a VM to sleep").map(drop);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn table<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>> {
        let file = self.data().join("cloud.db");
        let row = outside::sqlite_row(&file, sql, &["j"]).await?;
        let row = row.and_then(|mut row| row.pop()).context("no rows")?;
        Ok(serde_json::from_str(&row)?)
    }

    /// The VMs, as the database's file has them.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn rows(&self) -> Result<Vec<Row>> {
        let columns = [
            "id",
            "user_id",
            "live_user_id",
            "state",
            "reason_code",
            "has_home",
            "limits_pending",
            "cpus",
            "machine_start",
            "restarts",
            "token_generation",
        ];
        let fields = columns.map(|name| format!("'{name}', {name}")).join(", ");
        self.table(&format!(
            "SELECT json_group_array(json_object({fields})) AS j FROM vms"
        ))
        .await
    }

    /// The row of the user's VM.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn row(&self, user: &str) -> Result<Option<Row>> {
        let mut rows = self.rows().await?.into_iter();
        Ok(rows.find(|row| row.live_user_id.as_deref() == Some(user)))
    }

    /// What the VMs did, as the file has it.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn intervals(&self) -> Result<Vec<Interval>> {
        self.table(
            "SELECT json_group_array(json_object('vm_id', vm_id, 'kind', kind, \
             'started_at', started_at, 'ended_at', ended_at)) AS j \
             FROM (SELECT * FROM usage_intervals ORDER BY started_at, id)",
        )
        .await
    }

    async fn look(&mut self) -> Result<Seen> {
        let instance = self.instance()?;
        let (containers, volumes, networks, rows, intervals) = tokio::try_join!(
            self.docker.containers(&instance),
            self.docker.volumes(&instance),
            self.docker.networks(&instance),
            self.rows(),
            self.intervals(),
        )?;
        self.known.extend(containers.iter().map(|it| it.id.clone()));
        let data = self.data().display().to_string();
        let (inhabited, servers) = processes(&data);
        Ok(Seen {
            rows,
            intervals,
            containers,
            volumes,
            networks,
            inhabited,
            known: self.known.clone(),
            servers,
        })
    }

    /// Waits until all is at rest and as it should be, and all homes have what was put there.
    ///
    /// # Errors
    /// Something is not, with everything that is wrong.
    pub async fn verdict(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let seen = self.look().await?;
            let wrong = verdict::faults(&seen);
            if wrong.is_empty() {
                return self.homes_are_whole(&seen).await;
            }
            if let Some(server) = &mut self.server
                && (!server.lives()? || begun.elapsed() > REST)
            {
                bail!("{}", server.said(&wrong.join("; ")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn homes_are_whole(&mut self, seen: &Seen) -> Result<()> {
        for row in &seen.rows {
            let Some(content) = self.homes.get(&row.id) else {
                continue;
            };
            if row.state == "TERMINATED" || row.reason_code.as_deref() == Some("volume_missing") {
                continue;
            }
            let found = if row.state == "RUNNING" {
                let container = format!("ff-vm-{}", row.id);
                self.docker
                    .run(["exec", &container, "cat", "/home/ff/kept"])
                    .await?
            } else {
                let mount = format!("ff-home-{}:/kept:ro", row.id);
                let base = self.settings.image.as_str();
                let run = ["run", "--rm", "--network", "none", "--volume", &mount];
                let cat = ["--entrypoint", "cat", base, "/kept/kept"];
                self.docker.run(run.into_iter().chain(cat)).await?
            };
            ensure!(found == *content, "the home of VM {} has {found:?}", row.id);
        }
        self.homes.retain(|id, _| {
            seen.rows
                .iter()
                .any(|row| row.id == *id && row.state != "TERMINATED")
        });
        Ok(())
    }

    /// Puts a file into a VM's home that must never be lost.
    ///
    /// # Errors
    /// The VM does not run.
    pub async fn keep_file(&mut self, vm: &str) -> Result<()> {
        if !self.homes.contains_key(vm) {
            let word = Uuid::new_v4().to_string();
            let (container, script) =
                (format!("ff-vm-{vm}"), format!("echo {word} > ~/kept; sync"));
            self.docker
                .run(["exec", &container, "bash", "-c", &script])
                .await?;
            self.homes.insert(vm.to_owned(), word);
        }
        Ok(())
    }

    /// Makes the world's image another one.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn new_image(&self, comes_up: bool) -> Result<()> {
        let label = format!("LABEL ff-chaos={}", Uuid::new_v4());
        let lines = match comes_up {
            true => label,
            false => format!("{label}\nCMD [\"false\"]"),
        };
        self.docker
            .derive(&self.settings.image, &self.image, &lines)
            .await
    }
}

/// Ids of containers in whose cgroups there are processes, and how many processes have this on
/// their command line.
fn processes(data: &str) -> (BTreeSet<String>, usize) {
    let (mut inhabited, mut servers) = (BTreeSet::new(), 0);
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // It may have ended meanwhile.
        let read = |file| std::fs::read_to_string(process.path().join(file)).unwrap_or_default();
        let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let cgroup = read("cgroup");
        let words = cgroup.split(|c: char| !c.is_ascii_alphanumeric());
        inhabited.extend(words.filter(is_id).map(str::to_owned));
        servers += usize::from(read("cmdline").split('\0').any(|word| word == data));
    }
    (inhabited, servers)
}
