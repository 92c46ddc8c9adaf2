//! The login shell of a terminal.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use ff_protocol::terminal::{Exit, Size};
use ff_protocol::{ErrorCode, TerminalId};
use pty_process::{Command, Pty};
use rustix::termios::{self, InputModes, OptionalActions};
use tokio::process::Child;

use super::tree;
use crate::error::{Error, Result};

/// Variables that say what the characters of a program are, the one that decides first (locale(7)).
const LOCALE: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];
/// Of the terminal that started us, if any.
const FOREIGN: [&str; 6] = [
    "COLUMNS",
    "LINES",
    "TMUX",
    "TMUX_PANE",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
];

/// The size as the PTY library takes it.
pub(super) fn pty_size(size: Size) -> pty_process::Size {
    pty_process::Size::new(size.rows, size.cols)
}

/// Starts the user's login shell on a new PTY of this size.
///
/// # Errors
/// `limit_reached` when the system has no process left; it has no PTY left, or the shell cannot
/// be run.
pub(super) fn start(
    terminal: &TerminalId,
    home: &Path,
    cwd: &Path,
    size: Size,
) -> Result<(Pty, Child)> {
    let (pty, pts) = pty_process::open().map_err(failed)?;
    pty.resize(pty_size(size)).map_err(failed)?;
    erase_whole_characters(&pty)?;
    let shell = shell();
    let mut as_login = OsString::from("-");
    as_login.push(shell.file_name().unwrap_or(shell.as_os_str()));
    let mut command = Command::new(&shell)
        .arg0(as_login)
        .current_dir(cwd)
        .env("HOME", home)
        .env("SHELL", &shell)
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        .env(tree::VARIABLE, terminal.as_str())
        .kill_on_drop(true);
    for name in FOREIGN {
        command = command.env_remove(name);
    }
    let has_locale = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !LOCALE.iter().any(has_locale) {
        command = command.env("LANG", "C.UTF-8");
    }
    let child = command.spawn(pts).map_err(failed)?;
    Ok((pty, child))
}

/// What is typed is UTF-8: a line is edited by characters, not by bytes.
fn erase_whole_characters(pty: &Pty) -> Result<()> {
    let set = || {
        let mut modes = termios::tcgetattr(pty)?;
        modes.input_modes |= InputModes::IUTF8;
        termios::tcsetattr(pty, OptionalActions::Now, &modes)
    };
    set().map_err(|error| Error::io("cannot set up a terminal", error.into()))
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

/// How a shell ended, with the exit code that shells give: 128 + signal where a signal ended it.
pub(super) fn exit(status: ExitStatus) -> Exit {
    let signal = status.signal();
    Exit {
        code: status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0)),
        signal,
    }
}
