//! One run of `gh`: never interactive, with a deadline and a cap, its helpers ended with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::failure::Cause;
use crate::activity::Awake;
use crate::process_group::Group;
use crate::tool;

/// Most that is taken of an answer, in bytes.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Most that is taken of a complaint, in bytes.
const LONGEST_COMPLAINT: u64 = 64 << 10;

/// What could turn a run into another one than was meant, or have it print a request with its
/// credentials.
const UNWANTED: [&str; 5] = ["GH_DEBUG", "DEBUG", "GH_REPO", "GH_HOST", "GH_FORCE_TTY"];

/// Runs `gh` as the user whose home this is.
#[derive(Debug)]
pub(super) struct Runner {
    gh: PathBuf,
    home: PathBuf,
    awake: Awake,
    pids: Pids,
}

/// What a run left behind.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    /// The exit code; none when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Runner {
    /// Runs the `gh` at this path, or of this name. Its deadlines move by the time `awake` lost.
    pub(super) fn new(gh: &Path, home: &Path, awake: Awake) -> Self {
        Self {
            gh: gh.to_owned(),
            home: home.to_owned(),
            awake,
            pids: Pids::default(),
        }
    }

    /// Processes of `gh` that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.pids.all()
    }

    /// Its version; none if it does not run.
    pub(super) async fn version(&self) -> Result<Option<String>, crate::Error> {
        tool::version(self.command(&[])).await
    }

    /// Runs it to its end; a failure of its own is no error here.
    pub(super) async fn run(&self, args: &[String], limit: Duration) -> Result<Ran, Cause> {
        self.finish(self.command(args), limit).await
    }

    /// Whether it ends well. What it prints is read by nobody: it may be a token.
    pub(super) async fn succeeds(&self, args: &[String], limit: Duration) -> Result<bool, Cause> {
        let mut command = self.command(args);
        command.stdout(Stdio::null());
        let ran = self.finish(command, limit).await?;
        Ok(ran.code == Some(0))
    }

    async fn finish(&self, mut command: Command, limit: Duration) -> Result<Ran, Cause> {
        let mut child = command.spawn().map_err(no_gh)?;
        let group = Group::of(&child);
        let _listed = self.pids.listed(&child);
        let ran = self.awake.timeout(limit, read(&mut child)).await;
        let ran = ran.ok_or(Cause::TooLate(limit))??;
        group.ended();
        Ok(ran)
    }

    fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(&self.gh);
        command
            .args(args)
            .env("HOME", &self.home)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C")
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for variable in UNWANTED {
            command.env_remove(variable);
        }
        command
    }
}

async fn read(child: &mut Child) -> Result<Ran, Cause> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answer = capped(stdout, LONGEST_ANSWER);
    let complaint = capped(stderr, LONGEST_COMPLAINT);
    let (answer, complaint) = tokio::try_join!(answer, complaint).map_err(no_gh)?;
    if answer.len() as u64 > LONGEST_ANSWER {
        let mebibytes = LONGEST_ANSWER >> 20;
        return Err(Cause::Other(format!(
            "the answer is longer than {mebibytes} MiB"
        )));
    }
    let status = child.wait().await.map_err(no_gh)?;
    Ok(Ran {
        code: status.code(),
        stdout: answer,
        stderr: String::from_utf8_lossy(&complaint).into_owned(),
    })
}

/// Reads to the end, or one byte beyond the cap.
async fn capped<R: AsyncRead + Unpin>(pipe: Option<R>, cap: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(cap + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn no_gh(error: std::io::Error) -> Cause {
    Cause::NoGh(match error.kind() {
        std::io::ErrorKind::NotFound => "it is not installed".to_owned(),
        _ => error.to_string(),
    })
}

/// The numbers of the processes that run.
#[derive(Debug, Clone, Default)]
struct Pids(Arc<Mutex<BTreeSet<u32>>>);

impl Pids {
    fn all(&self) -> Vec<u32> {
        self.lock(|pids| pids.iter().copied().collect())
    }

    fn listed(&self, child: &Child) -> Listed {
        let pid = child.id();
        self.lock(|pids| pids.extend(pid));
        Listed(pid, self.clone())
    }

    fn lock<T>(&self, with: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A process that is listed until this is dropped.
struct Listed(Option<u32>, Pids);

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            self.1.lock(|pids| pids.remove(&pid));
        }
    }
}
