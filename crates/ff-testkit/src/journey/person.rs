//! A person who runs a program in a terminal of their own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use pty_process::{Command, Pty, Size};
use rustix::termios::{Termios, tcgetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::process::{Run, tail};

const LONGEST: Duration = Duration::from_secs(60);
const MOST_SEEN: usize = 1 << 20;
const WHERE: &[u8] = b"\x1b[6n";

/// A program in a terminal, and what was seen and typed there.
pub struct Person {
    name: String,
    pty: Pty,
    child: Child,
    /// What came since the words that were waited for last.
    seen: Vec<u8>,
    /// Everything that was ever shown.
    shown: Vec<u8>,
}

/// The mode of a terminal: its flags, and what its control characters are.
pub type Mode = (u64, u64, u64, u64, String);

fn mode_of(termios: &Termios) -> Mode {
    (
        termios.input_modes.bits().into(),
        termios.output_modes.bits().into(),
        termios.control_modes.bits().into(),
        termios.local_modes.bits().into(),
        format!("{:?}", termios.special_codes),
    )
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
            shown: Vec::new(),
        })
    }
}

impl Person {
    /// Types a line and presses Enter.
    ///
    /// # Errors
    /// The program has gone.
    pub async fn enters(&mut self, line: &str) -> Result<()> {
        self.types(&format!("{line}\r")).await
    }

    /// Presses these keys.
    ///
    /// # Errors
    /// The program has gone.
    pub async fn types(&mut self, keys: &str) -> Result<()> {
        self.pty.write_all(keys.as_bytes()).await?;
        Ok(())
    }

    /// Gives the window another size.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resizes(&self, cols: u16, rows: u16) -> Result<()> {
        Ok(self.pty.resize(Size::new(rows, cols))?)
    }

    /// The terminal's mode.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn mode(&self) -> Result<Mode> {
        Ok(mode_of(&tcgetattr(&self.pty)?))
    }

    /// Number of the program's process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Everything that was ever shown.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    async fn more(&mut self) -> Result<bool> {
        let before = self.seen.len();
        let goes_on = tokio::time::timeout(LONGEST, read(&mut self.pty, &mut self.seen))
            .await
            .with_context(|| format!("`{}` shows nothing more", self.name))??;
        let asked_before = self.shown.len();
        self.shown.extend_from_slice(&self.seen[before..]);
        self.answers(asked_before).await?;
        Ok(goes_on)
    }

    /// Answers where the cursor is (`CSI 6 n`), as every terminal does: `gh` waits for it. Asked right
    /// after a move as far as it goes, that is the size.
    async fn answers(&mut self, from: usize) -> Result<()> {
        let from = from.saturating_sub(WHERE.len() - 1);
        let asked = self.shown[from..].windows(WHERE.len());
        let asked: Vec<usize> = asked
            .enumerate()
            .filter_map(|(at, bytes)| (bytes == WHERE).then_some(from + at))
            .collect();
        for at in asked {
            let far = self.shown[..at].ends_with(b"\x1b[999;999f");
            let answer = if far { "\x1b[50;200R" } else { "\x1b[20;1R" };
            self.types(answer).await?;
        }
        Ok(())
    }

    /// Waits for words in what was not looked at yet.
    ///
    /// # Errors
    /// They do not come within a minute, or the program ends before.
    pub async fn waits_for(&mut self, words: &str) -> Result<()> {
        self.reads_until(words).await.map(drop)
    }

    /// As [`Self::waits_for`]; what was shown before the words.
    ///
    /// # Errors
    /// As there.
    pub async fn reads_until(&mut self, words: &str) -> Result<String> {
        let waiting = async {
            loop {
                let text = String::from_utf8_lossy(&self.seen).into_owned();
                if let Some(at) = text.find(words) {
                    self.seen = text.as_bytes()[at + words.len()..].to_vec();
                    return Ok(text[..at].to_owned());
                }
                if !self.more().await? {
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
        self.is_gone().await
    }

    /// As [`Self::leaves`], and its terminal stays to be looked at.
    ///
    /// # Errors
    /// As there.
    pub async fn is_gone(&mut self) -> Result<i32> {
        let ending = async {
            while self.more().await? {
                self.seen.clear();
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(LONGEST, ending).await;
        ended.with_context(|| format!("`{}` does not end", self.name))??;
        let status = tokio::time::timeout(LONGEST, self.child.wait()).await;
        let status = status.with_context(|| format!("`{}` does not end", self.name))??;
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
