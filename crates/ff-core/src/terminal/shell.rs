//! The login shell of a terminal, and the end of everything it started.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use ff_protocol::ErrorCode;
use ff_protocol::terminal::Size;
use pty_process::{Command, Pty};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::error::{Error, Result};

const ROUNDS: usize = 5;
const HANG_UP: Duration = Duration::from_millis(200);
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// The size as the PTY library takes it.
pub(super) fn pty_size(size: Size) -> pty_process::Size {
    pty_process::Size::new(size.rows, size.cols)
}

/// Starts the user's login shell on a new PTY of this size.
///
/// # Errors
/// `limit_reached` when the system has no process left; it has no PTY left, or the shell cannot
/// be run.
pub(super) fn start(home: &Path, cwd: &Path, size: Size) -> Result<(Pty, Child)> {
    let (pty, pts) = pty_process::open().map_err(failed)?;
    pty.resize(pty_size(size)).map_err(failed)?;
    let shell = shell();
    let mut as_login = OsString::from("-");
    as_login.push(shell.file_name().unwrap_or(shell.as_os_str()));
    let command = Command::new(&shell)
        .arg0(as_login)
        .current_dir(cwd)
        .env("HOME", home)
        .env("SHELL", &shell)
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        // Of the terminal that started us, if any.
        .env_remove("COLUMNS")
        .env_remove("LINES")
        .env_remove("TMUX")
        .env_remove("TMUX_PANE")
        .kill_on_drop(true);
    let child = command.spawn(pts).map_err(failed)?;
    Ok((pty, child))
}

fn failed(error: pty_process::Error) -> Error {
    match error {
        // What fork(2) says at a limit of processes.
        pty_process::Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            let detail = "no more processes can be started";
            Error::refused(ErrorCode::LimitReached, detail).hint("end some of those that run")
        }
        error => Error::io("cannot start a shell", std::io::Error::other(error)),
    }
}

fn shell() -> PathBuf {
    let configured = std::env::var_os("SHELL").map(PathBuf::from);
    let mut choices = configured.into_iter().chain(["/bin/bash".into()]);
    choices
        .find(|path| path.is_absolute() && path.is_file())
        .unwrap_or_else(|| "/bin/sh".into())
}

/// The exit code as shells give it: 128 + signal for a process that a signal ended.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Ends every process of the shell's session: a hang-up first, as when a terminal is closed,
/// then by force. To be called before the shell is reaped, while its number is its own.
pub(super) async fn end_session(leader: Pid) {
    signal_session(leader, Signal::HUP).await;
    tokio::time::sleep(HANG_UP).await;
    for _ in 0..ROUNDS {
        if signal_session(leader, Signal::KILL).await == 0 {
            return;
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    tracing::warn!(
        leader = leader.as_raw_nonzero(),
        "processes of a terminal are left after several rounds of killing"
    );
}

async fn signal_session(leader: Pid, signal: Signal) -> usize {
    let signalled = tokio::task::spawn_blocking(move || {
        let members = members(leader);
        for &pid in &members {
            // One that ended meanwhile needs no signal.
            let _ = kill_process(pid, signal);
        }
        members.len()
    });
    signalled.await.unwrap_or(0)
}

/// Processes of a session that are not zombies.
fn members(leader: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|&pid| session_of(pid) == Some(leader))
        .collect()
}

/// The session of a living process. In `/proc/<pid>/stat` the name may hold anything, so the
/// fields are counted from the last `)`: state, parent, group, session.
fn session_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    Pid::from_raw(fields.nth(2)?.parse().ok()?)
}
