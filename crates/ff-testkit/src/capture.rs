//! What really passes an address that this machine reaches: a packet capture on all of its devices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(20);
/// Without a packet for so long, none is on its way.
const SETTLED: Duration = Duration::from_millis(500);

/// A capture at one address that goes on until it is [stopped](Capture::stop).
pub struct Capture {
    tcpdump: Child,
    said: Lines<BufReader<ChildStderr>>,
    dir: TempDir,
}

impl Capture {
    /// Begins to capture; whatever passes the address from now on is in it.
    ///
    /// # Errors
    /// There is no `tcpdump`, or it may not capture.
    pub async fn of(address: SocketAddr) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut tcpdump = Command::new("tcpdump")
            .args([
                "-i",
                "any",
                "-U",
                "--immediate-mode",
                "-B",
                "32768",
                "-s",
                "0",
                "-w",
            ])
            .arg(file(&dir))
            .arg(format!(
                "host {} and tcp port {}",
                address.ip(),
                address.port()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start tcpdump; `scripts/setup.sh capture` installs it")?;
        let said = tcpdump.stderr.take().context("tcpdump says nothing")?;
        let mut capture = Self {
            tcpdump,
            said: BufReader::new(said).lines(),
            dir,
        };
        capture.await_word("listening on").await?;
        Ok(capture)
    }

    /// Ends it, and returns all that passed.
    ///
    /// # Errors
    /// Something passed that was not captured.
    pub async fn stop(mut self) -> Result<Vec<u8>> {
        // What it has not read yet when it is told to end is lost.
        let mut size = None;
        loop {
            tokio::time::sleep(SETTLED).await;
            let now = std::fs::metadata(file(&self.dir))?.len();
            if size.replace(now) == Some(now) {
                break;
            }
        }
        let pid = self.tcpdump.id().context("tcpdump has ended")?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        let dropped = self.await_word("dropped by kernel").await?;
        ensure!(dropped.starts_with("0 "), "not all was captured: {dropped}");
        timeout(WAIT, self.tcpdump.wait()).await??;
        Ok(std::fs::read(file(&self.dir))?)
    }

    async fn await_word(&mut self, word: &str) -> Result<String> {
        let mut last = String::new();
        while let Some(line) = timeout(WAIT, self.said.next_line()).await?? {
            if line.contains(word) {
                return Ok(line);
            }
            last = line;
        }
        anyhow::bail!("tcpdump ended: {last}")
    }
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("captured")
}
