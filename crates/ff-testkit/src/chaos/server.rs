//! The real server, as a process that is killed and started again on the same data.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::journey::process;

const START: Duration = Duration::from_secs(60);
const DIES: Duration = Duration::from_secs(60);
const KILLED: i32 = 9;
/// Variables that would change what is tried.
const FOREIGN: [&str; 3] = ["DATABASE_URL", "RUST_LOG", "FF_CRASH_AT"];

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// Where it is killed, `NAME` or `NAME:N`.
    pub crash_at: Option<&'a str>,
    /// VMs the pool holds.
    pub pool: u32,
    /// Image of the VMs.
    pub image: &'a str,
    /// The engine, unless it is the machine's.
    pub host: Option<&'a str>,
}

/// A server that runs, or has just been killed. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it listens; absent if it ended before.
    pub address: Option<SocketAddr>,
}

impl Server {
    /// Starts a server on `dir`; returns when it listens or has ended.
    ///
    /// # Errors
    /// It cannot be run, or does neither in time.
    pub async fn start(program: &Path, dir: &Path, start: &Start<'_>) -> Result<Self> {
        let log = dir.join("server.log");
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)?;
        let begin = std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("FF_CLOUD_") || FOREIGN.contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command
            .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--vm-memory", "512m"])
            .args(["--image", start.image, "--pool-creates", "1"])
            .args(["--pool-size", &start.pool.to_string(), "--data-dir"])
            .arg(dir.join("data"))
            .env("FF_CRASH_LOG", dir.join("points"))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true);
        if let Some(point) = start.crash_at {
            command.env("FF_CRASH_AT", point);
        }
        if let Some(host) = start.host {
            command.env("DOCKER_HOST", host);
        }
        let child = command.spawn().context("cannot start ff-cloud")?;
        let mut server = Self {
            child,
            log,
            address: None,
        };
        let begun = Instant::now();
        loop {
            // Asked first: what it said before its end is read after.
            let ended = server.child.try_wait()?.is_some();
            server.address = server.listens(begin)?;
            if ended || server.address.is_some() {
                return Ok(server);
            }
            ensure!(begun.elapsed() < START, "{}", server.said("did not start"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn listens(&self, begin: u64) -> Result<Option<SocketAddr>> {
        let log = std::fs::read(&self.log)?;
        let new = log.get(usize::try_from(begin)?..).unwrap_or_default();
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            let line: Value = serde_json::from_slice(line).unwrap_or_default();
            if line["message"] == "listening" {
                let address = line["address"].as_str().context("it listens nowhere")?;
                return Ok(Some(address.parse()?));
            }
        }
        Ok(None)
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn lives(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Kills it, at no point in particular.
    ///
    /// # Errors
    /// It had ended by itself.
    pub async fn kill(mut self) -> Result<()> {
        self.child.start_kill()?;
        self.died().await
    }

    /// Waits until it has been killed by SIGKILL.
    ///
    /// # Errors
    /// It lives on, or ends in another way.
    pub async fn died(&mut self) -> Result<()> {
        match tokio::time::timeout(DIES, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                let text = format!("ended by itself: {status}");
                ensure!(status.signal() == Some(KILLED), "{}", self.said(&text));
                Ok(())
            }
            Err(_) => bail!("{}", self.said("was not killed")),
        }
    }

    /// A sentence about it, with the end of its log.
    pub fn said(&self, what: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<String> = log.lines().map(short).collect();
        let lines = lines.join("\n  ");
        format!(
            "the server {what}; it said:\n  {}\n",
            process::tail(lines.trim(), 2500)
        )
    }
}

/// What a line of the log says, without where.
fn short(line: &str) -> String {
    let Ok(Value::Object(mut line)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    for name in ["span", "spans", "target", "level"] {
        line.remove(name);
    }
    let values: Vec<String> = line
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) if name == "message" || name == "timestamp" => text.clone(),
            value => format!("{name}={value}"),
        })
        .collect();
    values.join(" ")
}
