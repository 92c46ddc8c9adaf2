//! A script in a workspace: one process group with a deadline and bounded output.

mod output;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ff_protocol::WorkspaceId;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use output::Output;

use crate::error::{Error, Result};
use crate::processes::{mark, marked};
use crate::store::ProcessMark;

/// Its witness hears of a script this often.
const TICK: Duration = Duration::from_millis(500);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// What is left in the pipes of a process that has ended is read for so long: something it left
/// behind may hold them open.
const DRAIN: Duration = Duration::from_millis(500);

/// What is to run.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A command for `bash -c`.
    Command(String),
    /// A script file for `bash`.
    File(PathBuf),
}

/// Where and for whom it runs.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    pub(crate) home: &'a Path,
    pub(crate) worktree: &'a Path,
    /// What its processes carry, see [`mark_of`].
    pub(crate) mark: &'a str,
}

/// What the processes of one kind of script of a workspace carry in their environment.
pub(crate) fn mark_of(workspace: &WorkspaceId, kind: &str) -> String {
    format!("{workspace}.{kind}")
}

/// A script that runs. Dropped, it is killed with all it started.
#[derive(Debug)]
pub(crate) struct Script {
    child: Child,
    group: Option<Pid>,
    mark: Option<ProcessMark>,
    stdout: AbortOnDropHandle<()>,
    stderr: AbortOnDropHandle<()>,
    carries: String,
    ended: bool,
}

/// How a script ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It took too long, and was killed.
    TimedOut,
}

impl Script {
    /// Starts it in a process group of its own; what it prints goes to `stdout` and `stderr`.
    ///
    /// # Errors
    /// bash cannot be started.
    pub(crate) fn start(
        what: &What,
        place: &Place<'_>,
        port: Option<u16>,
        (stdout, stderr): (Output, Output),
    ) -> Result<Self> {
        let mut command = Command::new("bash");
        match what {
            What::Command(text) => command.arg("-c").arg(text),
            What::File(path) => command.arg(path),
        };
        command
            .current_dir(place.worktree)
            .env("HOME", place.home)
            .env("WORKSPACE_PATH", place.worktree)
            .env(marked::SCRIPT, place.mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(port) = port {
            command.env("PORT", port.to_string());
        }
        let mut child = command
            .spawn()
            .map_err(|error| Error::io("bash cannot be started", error))?;
        let id = child.id();
        let pipes = (child.stdout.take(), child.stderr.take());
        let (Some(out), Some(err)) = pipes else {
            let error = std::io::Error::other("the child has no pipes");
            return Err(Error::io("bash cannot be started", error));
        };
        Ok(Self {
            child,
            group: id.and_then(|id| Pid::from_raw(id.cast_signed())),
            mark: id.and_then(mark::of),
            stdout: AbortOnDropHandle::new(tokio::spawn(stdout.follow(out))),
            stderr: AbortOnDropHandle::new(tokio::spawn(stderr.follow(err))),
            carries: place.mark.to_owned(),
            ended: false,
        })
    }

    /// Its process, to be told from others later.
    pub(crate) fn mark(&self) -> Option<&ProcessMark> {
        self.mark.as_ref()
    }

    /// Waits for its end, but not beyond the deadline. Dropping the future leaves it running.
    pub(crate) async fn exited(&mut self, deadline: Option<Instant>) -> Result<End> {
        let failed = |error| Error::io("a script cannot be waited for", error);
        let Some(deadline) = deadline else {
            return Ok(End::Exited(self.child.wait().await.map_err(failed)?));
        };
        match tokio::time::timeout_at(deadline, self.child.wait()).await {
            Ok(status) => Ok(End::Exited(status.map_err(failed)?)),
            Err(_) => Ok(End::TimedOut),
        }
    }

    /// Ends it with all it started: SIGTERM to its group, SIGKILL after `grace` to whatever is
    /// left, also to what left the group.
    pub(crate) async fn end(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let left = tokio::time::timeout(grace, self.child.wait()).await;
        if left.is_err() {
            tracing::info!(
                script = self.carries,
                "a script does not end when asked, and is killed"
            );
        }
        self.clear().await;
    }

    /// Kills what it left behind, and reads the rest of what it printed.
    pub(crate) async fn clear(&mut self) {
        self.signal(Signal::KILL);
        marked::kill(marked::SCRIPT, &self.carries).await;
        let until = Instant::now() + DRAIN;
        let _ = self.child.wait().await;
        for reader in [&mut self.stdout, &mut self.stderr] {
            if !reader.is_finished() {
                let _ = tokio::time::timeout_at(until, reader).await;
            }
        }
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that ended meanwhile is as good as signalled.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
        }
    }
}

/// Hears of a script that runs.
pub(crate) trait Witness: Send {
    /// It runs, as this process.
    fn begun(&mut self, process: &ProcessMark) -> impl Future<Output = Result<()>> + Send;
    /// It goes on; several times a second.
    fn goes_on(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Runs a script to its end, and kills what it leaves behind. The inner result is why it counts
/// as failed, for people.
///
/// # Errors
/// It could not be started, or its witness failed.
pub(crate) async fn run(
    what: &What,
    place: &Place<'_>,
    limit: Duration,
    outputs: (Output, Output),
    witness: &mut impl Witness,
) -> Result<std::result::Result<(), String>> {
    let stderr = outputs.1.clone();
    let before = stderr.total();
    let deadline = Instant::now() + limit;
    let mut script = Script::start(what, place, None, outputs)?;
    let followed = follow(&mut script, deadline, witness).await;
    match &followed {
        Ok(End::Exited(_)) => script.clear().await,
        _ => script.end(GRACE).await,
    }
    Ok(match followed? {
        End::Exited(status) if status.success() => Ok(()),
        End::Exited(status) => Err(why(status, &stderr.since(before))),
        End::TimedOut => Err(format!("it took longer than {} s", limit.as_secs())),
    })
}

async fn follow(script: &mut Script, deadline: Instant, witness: &mut impl Witness) -> Result<End> {
    if let Some(mark) = script.mark() {
        witness.begun(mark).await?;
    }
    loop {
        let next = deadline.min(Instant::now() + TICK);
        match script.exited(Some(next)).await? {
            End::TimedOut if Instant::now() < deadline => witness.goes_on().await?,
            end => return Ok(end),
        }
    }
}

/// Why a script failed: what it said last on stderr, else how it ended.
fn why(status: ExitStatus, stderr: &str) -> String {
    const SHOWN: usize = 2000;
    let said = stderr.trim();
    let how = crate::session::exit_of(status);
    if said.is_empty() {
        return format!("it ended with {how}");
    }
    let skip = said.chars().count().saturating_sub(SHOWN);
    let tail: String = said.chars().skip(skip).collect();
    format!("it ended with {how}: {tail}")
}

#[cfg(test)]
mod tests;
