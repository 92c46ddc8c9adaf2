//! Running programs and waiting for things, each with a deadline.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(120);

/// One run of a program.
pub struct Run {
    command: Command,
    name: String,
    input: Vec<u8>,
}

/// What a run left behind.
pub struct Ran {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
    /// When each piece of stdout came, counted from the start of the run.
    pub pieces: Vec<(Duration, usize)>,
}

impl Run {
    /// A run of this program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = PathBuf::from(program.as_ref());
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut command = Command::new(program);
        command
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command,
            name,
            input: Vec::new(),
        }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.name = format!("{} {}", self.name, arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Sets its working directory.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What it is given to read.
    pub fn input(mut self, input: &str) -> Self {
        self.input = input.as_bytes().to_vec();
        self
    }

    /// What was put together, with a name to speak of it.
    pub(super) fn into_command(self) -> (String, Command) {
        (self.name, self.command)
    }

    /// Runs it to its end; any exit code is fine.
    pub async fn outcome(mut self) -> Result<Ran> {
        let name: String = self.name.chars().take(200).collect();
        let begun = Instant::now();
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                stdin.write_all(&self.input).await.or_else(gone)?;
            }
            anyhow::Ok(())
        };
        let read = async {
            let (mut text, mut pieces, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
            if let Some(mut stdout) = stdout {
                loop {
                    let n = stdout.read(&mut buffer).await?;
                    if n == 0 {
                        break;
                    }
                    pieces.push((begun.elapsed(), n));
                    text.extend_from_slice(&buffer[..n]);
                }
            }
            anyhow::Ok((text, pieces))
        };
        let complain = async {
            let mut text = Vec::new();
            if let Some(mut stderr) = stderr {
                stderr.read_to_end(&mut text).await?;
            }
            anyhow::Ok(text)
        };
        let all =
            async { tokio::try_join!(write, read, complain, async { Ok(child.wait().await?) }) };
        let ((), (stdout, pieces), stderr, status) =
            tokio::time::timeout(DEADLINE, all)
                .await
                .with_context(|| format!("`{name}` took longer than {} s", DEADLINE.as_secs()))??;
        Ok(Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            pieces,
        })
    }

    /// Runs it to its end, which must be exit code 0.
    pub async fn ok(self) -> Result<Ran> {
        let name: String = self.name.chars().take(200).collect();
        let ran = self.outcome().await?;
        ensure!(
            ran.code == 0,
            "`{name}` ended with {}: {} {}",
            ran.code,
            tail(ran.stderr.trim(), 1500),
            tail(ran.stdout.trim(), 500),
        );
        Ok(ran)
    }

    /// Runs it and reads its output as one JSON document.
    pub async fn json(self) -> Result<Value> {
        let name = self.name.clone();
        let ran = self.ok().await?;
        serde_json::from_str(&ran.stdout)
            .with_context(|| format!("`{name}` printed no JSON: {}", ran.stdout))
    }

    /// Runs it and returns what it printed, without white space around it.
    pub async fn text(self) -> Result<String> {
        Ok(self.ok().await?.stdout.trim().to_owned())
    }
}

/// A program may end before it has read all that was typed.
fn gone(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    }
}

/// The last characters of a text.
pub fn tail(text: &str, most: usize) -> &str {
    let start = text.len().saturating_sub(most);
    let start = (start..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    &text[start..]
}

/// Asks a child to end, as a service manager would.
pub fn terminate(child: &Child) -> Result<()> {
    signal(child, "TERM")
}

/// Sends a child a signal, by the signal's name; one that has ended gets none.
pub fn signal(child: &Child, name: &str) -> Result<()> {
    let Some(pid) = child.id() else { return Ok(()) };
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()?;
    ensure!(status.success(), "cannot signal process {pid}");
    Ok(())
}

/// A loopback address that nothing listens on now.
pub fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Asks again and again until there is an answer or the time is over.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if begun.elapsed() > within {
            bail!("waited {} s in vain: {what}", within.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
