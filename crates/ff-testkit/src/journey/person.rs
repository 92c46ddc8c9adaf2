//! A person who runs a program in a terminal of their own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use pty_process::{Command, Pty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::process::{Run, tail};

const LONGEST: Duration = Duration::from_secs(60);
const MOST_SEEN: usize = 1 << 20;

/// A program in a terminal, and what was seen and typed there.
pub struct Person {
    name: String,
    pty: Pty,
    child: Child,
    /// What came since the words that were waited for last.
    seen: Vec<u8>,
}

impl Run {
    /// Runs it in a terminal of 200 columns and 50 lines instead.
    ///
    /// # Errors
    /// There is no terminal to be had, or the program cannot be run.
    pub fn in_a_terminal(self) -> Result<Person> {
        let (name, run) = self.into_command();
        let run = run.as_std();
        let (pty, pts) = pty_process::open()?;
        pty.resize(Size::new(50, 200))?;
        let mut command = Command::new(run.get_program())
            .args(run.get_args())
            .env("TERM", "xterm-256color")
            .kill_on_drop(true);
        for (key, value) in run.get_envs() {
            command = match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = run.get_current_dir() {
            command = command.current_dir(dir);
        }
        let child = command
            .spawn(pts)
            .with_context(|| format!("cannot run {name}"))?;
        Ok(Person {
            name,
            pty,
            child,
            seen: Vec::new(),
        })
    }
}

impl Person {
    /// Types a line and presses Enter.
    ///
    /// # Errors
    /// The program has gone.
    pub async fn enters(&mut self, line: &str) -> Result<()> {
        self.pty.write_all(format!("{line}\r").as_bytes()).await?;
        Ok(())
    }

    /// Waits for words in what was not looked at yet.
    ///
    /// # Errors
    /// They do not come within a minute, or the program ends before.
    pub async fn waits_for(&mut self, words: &str) -> Result<()> {
        let waiting = async {
            loop {
                let text = String::from_utf8_lossy(&self.seen).into_owned();
                if let Some(at) = text.find(words) {
                    self.seen = text.as_bytes()[at + words.len()..].to_vec();
                    return Ok(());
                }
                if !read(&mut self.pty, &mut self.seen).await? {
                    bail!("`{}` ended", self.name);
                }
            }
        };
        let outcome = tokio::time::timeout(LONGEST, waiting).await;
        outcome
            .unwrap_or_else(|_| bail!("waited {} s", LONGEST.as_secs()))
            .with_context(|| {
                let seen = String::from_utf8_lossy(&self.seen);
                format!("no {words:?} in {:?}", tail(&seen, 2000))
            })
    }

    /// Waits for the end of the program; its exit code.
    ///
    /// # Errors
    /// It does not end within a minute, or a signal ended it.
    pub async fn leaves(mut self) -> Result<i32> {
        let ending = async {
            while read(&mut self.pty, &mut self.seen).await? {
                self.seen.clear();
            }
            anyhow::Ok(self.child.wait().await?)
        };
        let status = tokio::time::timeout(LONGEST, ending)
            .await
            .with_context(|| format!("`{}` does not end", self.name))??;
        status.code().context("a signal ended it")
    }
}

/// Reads what there is; false at the end, of which a PTY tells by an error.
async fn read(pty: &mut Pty, seen: &mut Vec<u8>) -> Result<bool> {
    if seen.len() > MOST_SEEN {
        bail!("more than {MOST_SEEN} bytes without the words");
    }
    let mut buffer = [0; 4096];
    match pty.read(&mut buffer).await {
        Ok(0) => Ok(false),
        Ok(n) => {
            seen.extend_from_slice(&buffer[..n]);
            Ok(true)
        }
        Err(error) if error.raw_os_error() == Some(5) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
