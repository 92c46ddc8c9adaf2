//! The CLI as a child process: its pipes, its end, and everything it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::exit::StderrTail;
use super::protocol::{Line, Lines};
use crate::config::CoreConfig;
use crate::processes::marked;
use ff_protocol::SessionId;
use ff_protocol::session::PermissionMode;
use rustix::process::{Pid, Signal, kill_process_group};

const STDIN_QUEUE: usize = 64;
const DRAIN: Duration = Duration::from_secs(1);
const EXIT_AFTER_EOF: Duration = Duration::from_secs(5);

/// How a CLI is started.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    /// The session, whose id marks everything the CLI starts.
    pub(super) session: &'a SessionId,
    /// Where it works.
    pub(super) cwd: &'a std::path::Path,
    /// The CLI's id of the conversation.
    pub(super) conversation: &'a str,
    /// Whether that conversation has a transcript to go on with.
    pub(super) resume: bool,
    /// The conversation to go on from, if this one is a fork that has no transcript yet.
    pub(super) fork_of: Option<&'a str>,
    /// Model, if one was asked for.
    pub(super) model: Option<&'a str>,
    /// The CLI's permission mode.
    pub(super) mode: PermissionMode,
}

/// What a CLI does.
#[derive(Debug)]
pub(super) enum CliEvent {
    /// It said something.
    Line(Line),
    /// It is gone, and all it said has been read.
    Exited(ExitStatus),
}

/// A running CLI. Dropping it kills it with its process group.
#[derive(Debug)]
pub(super) struct Cli {
    child: Child,
    group: Option<Pid>,
    session: SessionId,
    lines: Lines<ChildStdout>,
    said_all: bool,
    gone: Option<(ExitStatus, Instant)>,
    eof_since: Option<Instant>,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    _writer: AbortOnDropHandle<()>,
    stderr: StderrTail,
}

impl Cli {
    /// Starts the CLI.
    ///
    /// # Errors
    /// There is no such program, or it cannot be run.
    pub(super) fn spawn(config: &CoreConfig, launch: &Launch<'_>) -> io::Result<Self> {
        let mut command = Command::new(&config.claude);
        command
            .args([
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
            ])
            .args([
                "--verbose",
                "--include-partial-messages",
                "--permission-prompt-tool",
                "stdio",
            ]);
        match (launch.resume, launch.fork_of) {
            (true, _) => command.args(["--resume", launch.conversation]),
            (false, Some(source)) => command
                .args(["--resume", source, "--fork-session"])
                .args(["--session-id", launch.conversation]),
            (false, None) => command.args(["--session-id", launch.conversation]),
        };
        if let Some(model) = launch.model {
            command.args(["--model", model]);
        }
        match launch.mode {
            PermissionMode::Default => {}
            PermissionMode::AcceptEdits => drop(command.args(["--permission-mode", "acceptEdits"])),
            PermissionMode::Plan => drop(command.args(["--permission-mode", "plan"])),
            PermissionMode::DontAsk => drop(command.args(["--permission-mode", "dontAsk"])),
        }
        command
            .current_dir(launch.cwd)
            .env("HOME", &config.home)
            .env(marked::SESSION, launch.session.as_str())
            // Set where we run inside a sandbox or another session; neither says anything about
            // this CLI, and the first would let it skip its own checks.
            .env_remove("IS_SANDBOX")
            .env_remove("CLAUDECODE")
            .env_remove("CLAUDE_CODE_ENTRYPOINT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the child has no pipes"));
        };
        let (sender, receiver) = mpsc::channel(STDIN_QUEUE);
        Ok(Self {
            child,
            group,
            session: launch.session.clone(),
            lines: Lines::new(stdout, config.max_line_bytes),
            said_all: false,
            gone: None,
            eof_since: None,
            stdin: Some(sender),
            _writer: AbortOnDropHandle::new(tokio::spawn(write_all(stdin, receiver))),
            stderr: StderrTail::follow(stderr),
        })
    }

    /// Its number, while it is not reaped.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Hands it a line. `false` when it takes none any more.
    ///
    /// Never waits: a CLI that does not read while its own output waits for us would otherwise
    /// stop both.
    pub(super) fn send(&self, message: &Value) -> bool {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        self.stdin
            .as_ref()
            .is_some_and(|stdin| stdin.try_send(line).is_ok())
    }

    /// Closes its stdin: the CLI ends after what it is doing. `false` if it was closed.
    pub(super) fn close_stdin(&mut self) -> bool {
        self.stdin.take().is_some()
    }

    /// Asks the process group to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills the process group. What left the group is found by [`Cli::kill_all`].
    pub(super) fn kill_group(&self) {
        self.signal(Signal::KILL);
    }

    /// Kills the process group, and whatever else carries the session's mark: the CLI starts
    /// tools in sessions of their own, where a signal to its group does not reach them.
    pub(super) async fn kill_all(&self) {
        self.kill_group();
        marked::kill(marked::SESSION, self.session.as_str()).await;
    }

    /// What it last wrote to stderr.
    pub(super) fn stderr_tail(&self) -> String {
        self.stderr.text()
    }

    /// The next thing it does. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> CliEvent {
        loop {
            if let Some((status, until)) = self.gone {
                let line = tokio::time::timeout_at(until, self.lines.next()).await;
                match line {
                    Ok(Ok(Some(line))) if !self.said_all => return CliEvent::Line(line),
                    _ => {
                        self.said_all = true;
                        self.stderr.read_to_end(until).await;
                        return CliEvent::Exited(status);
                    }
                }
            }
            let overdue = self.eof_since.map(|since| since + EXIT_AFTER_EOF);
            tokio::select! {
                line = self.lines.next(), if !self.said_all => match line {
                    Ok(Some(line)) => return CliEvent::Line(line),
                    _ => {
                        self.said_all = true;
                        self.eof_since = Some(Instant::now());
                    }
                },
                status = self.child.wait() => {
                    self.kill_group();
                    self.gone = Some((status.unwrap_or_default(), Instant::now() + DRAIN));
                }
                () = sleep_until(overdue), if overdue.is_some() => {
                    self.eof_since = None;
                    self.kill_group();
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // Once the leader is reaped and its group empty, its number may be another's.
        let Some(group) = self.group else { return };
        if let Err(error) = kill_process_group(group, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, session = %self.session, "the CLI's group takes no signal");
        }
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        if self.gone.is_none() {
            self.kill_group();
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn write_all(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}
