//! The real server on a data directory of its own, and what its log says.

use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ff_client::{Auth, CloudClient};
use ff_protocol::VmId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::docker::{CPUS, MEMORY, PIDS};
use super::facts::Resident;
use super::http::{Http, Peer};
use super::settings::Settings;
use crate::journey::outside;
use crate::journey::process::{self, Run};

/// Sockets of thousands of simulated agents and of the server are in one process.
const FILES: &str =
    "ulimit -n 65536 2>/dev/null || ulimit -n \"$(ulimit -H -n)\"; exec \"$0\" \"$@\"";
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
/// Variables that would change what is measured.
const FOREIGN: [&str; 3] = ["DATABASE_URL", "RUST_LOG", "FF_VM_IMAGE"];

/// A server that runs. Dropping it ends it and removes what it made in Docker.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    args: Vec<String>,
    dir: TempDir,
    child: Option<Child>,
    address: SocketAddr,
    log: Log,
}

/// What the server is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// VMs are containers; a pool of so many.
    Docker {
        /// VMs the pool holds.
        pool: u32,
    },
    /// VMs are played, without a pool.
    Sim,
    /// VMs are processes of this program, without a pool.
    Process {
        /// The program.
        agent: &'a Path,
    },
}

/// Whether `ff-cloud serve` takes this option.
///
/// # Errors
/// The program cannot be run.
pub async fn takes(program: &Path, option: &str) -> Result<bool> {
    let help = Run::new(program).args(["serve", "--help"]).text().await?;
    Ok(help
        .split_whitespace()
        .any(|word| word.trim_end_matches(',') == option))
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// It ends, does not listen in time, or cannot do what is asked of it.
    pub async fn start(settings: &Settings, kind: Kind<'_>) -> Result<Self> {
        let program = settings.server();
        let has_pool = takes(&program, "--pool-size").await?;
        let (provider, pool) = match kind {
            Kind::Docker { pool } => ("docker", pool),
            Kind::Sim => ("sim", 0),
            Kind::Process { .. } => ("process", 0),
        };
        ensure!(
            has_pool || pool == 0,
            "this ff-cloud has no --pool-size: there is no pool to measure"
        );
        let mut args: Vec<String> = ["serve", "--dev", "--log-format", "json"]
            .map(str::to_owned)
            .into();
        let mut set = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
        set("--listen", "127.0.0.1:0");
        set("--provider", provider);
        set("--image", &settings.image);
        set("--vm-cpus", CPUS);
        set("--vm-memory", MEMORY);
        set("--vm-pids", PIDS);
        if has_pool {
            set("--pool-size", &pool.to_string());
        }
        if let Kind::Process { agent } = kind {
            set("--agent-binary", &agent.to_string_lossy());
        }
        let dir = tempfile::Builder::new().prefix("ff-bench-").tempdir()?;
        let log = Log::at(dir.path().join("server.log"));
        let mut server = Self {
            program,
            args,
            dir,
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
        };
        server.begin().await?;
        Ok(server)
    }

    async fn begin(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log.path)?;
        let mut command = Command::new("sh");
        command.args(["-c", FILES]).arg(&self.program);
        command.args(&self.args).arg("--data-dir");
        command.arg(self.dir.path().join("data"));
        let foreign = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("FF_CLOUD_") || FOREIGN.contains(&&*name)
        });
        for name in foreign {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().context("cannot start ff-cloud")?);
        let line = self.logged("listening", START).await?;
        let address = line["address"].as_str().context("it listens nowhere")?;
        self.address = address.parse()?;
        Ok(())
    }

    /// Ends the server and starts another on its data.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.end().await?;
        self.begin().await
    }

    /// Ends the server as a service manager would.
    ///
    /// # Errors
    /// It does not end as it should.
    pub async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    async fn end(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        process::terminate(&child)?;
        match tokio::time::timeout(STOP, child.wait()).await {
            Ok(status) => ensure!(
                status?.success(),
                "the server ended badly: {}",
                self.log.end()
            ),
            Err(_) => {
                child.kill().await?;
                bail!("the server did not stop: {}", self.log.end());
            }
        }
        Ok(())
    }

    /// A client that speaks as this user.
    pub fn client(&self, user: &str) -> Result<CloudClient> {
        let url = format!("http://{}", self.address);
        Ok(CloudClient::new(&url, Auth::User(user.parse()?))?)
    }

    /// A client for what the typed one does not have.
    pub fn http(&self) -> Http {
        Http::new(Peer::Tcp(self.address))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    ///
    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> Result<u32> {
        let pid = self.child.as_ref().and_then(Child::id);
        pid.context("the server has ended")
    }

    /// The home of a VM that is a process.
    pub fn home(&self, vm: &VmId) -> PathBuf {
        self.dir
            .path()
            .join("data/process")
            .join(vm.as_str())
            .join("home")
    }

    /// What the server's process keeps in memory.
    pub fn resident(&self) -> Result<Resident> {
        Resident::of(self.pid()?)
    }

    /// Waits for the next line of the log with this message. Lines before it are passed over.
    ///
    /// # Errors
    /// The server ends, or the time is over.
    pub async fn logged(&mut self, message: &str, within: Duration) -> Result<Value> {
        let begun = Instant::now();
        loop {
            // Asked first: what it said before its end is read after.
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?.is_some(),
                None => true,
            };
            if let Some(line) = self.log.next(message)? {
                return Ok(line);
            }
            ensure!(!ended, "the server ended: {}", self.log.end());
            ensure!(
                begun.elapsed() < within,
                "the server's log had no line `{message}` in {} s",
                within.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Passes over all lines of the log there are now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn skip_log(&mut self) -> Result<()> {
        self.log.read()?;
        self.log.rest.clear();
        Ok(())
    }

    fn instance(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.path().join("data/instance-id")).ok()?;
        Some(text.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.start_kill();
        }
        if let Some(instance) = self.instance()
            && let Err(error) = outside::remove_labelled(&instance)
        {
            tracing::error!(%error, instance, "containers or volumes may be left");
        }
    }
}

/// The server's log, read as it grows.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    read: u64,
    /// What was read and not looked at; its last line may be half there.
    rest: String,
}

impl Log {
    fn at(path: PathBuf) -> Self {
        Self {
            path,
            read: 0,
            rest: String::new(),
        }
    }

    fn read(&mut self) -> Result<()> {
        let mut file = std::fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        // Bytes of a character that is only half there are read again.
        let whole = match std::str::from_utf8(&new) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&new[..error.valid_up_to()])?,
        };
        self.read += whole.len() as u64;
        self.rest += whole;
        Ok(())
    }

    fn next(&mut self, message: &str) -> Result<Option<Value>> {
        self.read()?;
        let mut passed = 0;
        let mut found = None;
        while let Some(length) = self.rest[passed..].find('\n') {
            let line = &self.rest[passed..passed + length];
            passed += length + 1;
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            if line["message"] == message {
                found = Some(line);
                break;
            }
        }
        self.rest.drain(..passed);
        Ok(found)
    }

    fn end(&self) -> String {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        process::tail(text.trim(), 1500).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_line_by_line_as_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::at(path.clone());
        std::fs::write(&path, "plain\n{\"message\":\"a\",\"n\":1}\n{\"mess").unwrap();
        assert_eq!(log.next("a").unwrap().unwrap()["n"], 1);
        assert_eq!(log.next("a").unwrap(), None);
        let mut whole = std::fs::read_to_string(&path).unwrap();
        whole += "age\":\"a\",\"n\":2}\n";
        std::fs::write(&path, whole).unwrap();
        assert_eq!(log.next("a").unwrap().unwrap()["n"], 2);
        assert_eq!(log.next("a").unwrap(), None);
    }
}
