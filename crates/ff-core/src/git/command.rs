//! One run of `git`: never interactive, with a deadline, its words free of credentials.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ff_protocol::ErrorCode;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::error::{Error, Result};
use crate::process_group::Group;

/// Deadline of a local command.
const LOCAL: Duration = Duration::from_secs(60);
/// Deadline of a command that talks to a remote.
const NETWORK: Duration = Duration::from_secs(600);

/// What `git rev-parse --local-env-vars` lists: it would point git at another repository.
const LOCAL_ENVIRONMENT: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
];

pub(super) struct GitCommand {
    command: Command,
    name: String,
    deadline: Duration,
    input: Option<Vec<u8>>,
}

/// What a finished command left behind.
pub(super) struct Output {
    pub(super) ok: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl GitCommand {
    pub(super) fn new(home: &Path, dir: &Path) -> Self {
        let mut command = Command::new("git");
        // Nothing that a repository carries may run by itself, such as a hook in its worktree.
        command
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false"])
            .current_dir(dir)
            .env("HOME", home)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .process_group(0);
        for variable in LOCAL_ENVIRONMENT {
            command.env_remove(variable);
        }
        Self {
            command,
            name: String::new(),
            deadline: LOCAL,
            input: None,
        }
    }

    /// Sets a variable of its environment.
    pub(super) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Has it work on this index file instead of the worktree's own.
    pub(super) fn index(self, file: Option<&Path>) -> Self {
        match file {
            Some(file) => self.env("GIT_INDEX_FILE", file),
            None => self,
        }
    }

    /// Gives it this on its standard input.
    pub(super) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Sets `-c key=value` for this run only.
    pub(super) fn config(mut self, key: &str, value: &str) -> Self {
        self.command.arg("-c").arg(format!("{key}={value}"));
        self
    }

    /// Adds arguments; the first one is the subcommand's name.
    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            if self.name.is_empty() {
                self.name = arg.as_ref().to_string_lossy().into_owned();
            }
            self.command.arg(arg);
        }
        self
    }

    /// Has it write through to the disk: git leaves loose objects and refs to the system.
    pub(super) fn durable(self) -> Self {
        self.config("core.fsync", "all")
    }

    /// Gives it this deadline.
    pub(super) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Gives it the deadline of commands that talk to a remote.
    pub(super) fn network(mut self) -> Self {
        self.deadline = NETWORK;
        self
    }

    /// Starts it with its standard input and output open to the caller, who has to end it.
    pub(super) fn talk(mut self) -> Result<Child> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        self.command.stderr(Stdio::null());
        let child = self.command.spawn();
        child.map_err(|source| Error::io("cannot run git", source))
    }

    /// Runs it; a non-zero exit is not an error here.
    pub(super) async fn output(mut self) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                let what = "cannot run git: is it installed, and does the directory exist?";
                return Err(Error::io(what, source));
            }
            Err(source) => return Err(Error::io("cannot run git", source)),
        };
        let group = Group::of(&child);
        let (stdin, input) = (child.stdin.take(), self.input.unwrap_or_default());
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A git that stops reading says why in its exit.
                let _ = stdin.write_all(&input).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = match tokio::time::timeout(self.deadline, both).await {
            Ok(output) => output.map_err(|source| Error::io("cannot run git", source))?,
            Err(_) => {
                let seconds = self.deadline.as_secs();
                let detail = format!("git {} took longer than {seconds} s", self.name);
                return Err(Error::refused(ErrorCode::Timeout, detail));
            }
        };
        group.ended();
        Ok(Output {
            ok: output.status.success(),
            stdout: output.stdout,
            stderr: without_credentials(&String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// Runs it and returns what it printed, byte for byte.
    pub(super) async fn bytes(self) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let output = self.output().await?;
        if !output.ok {
            return Err(Error::Git {
                command: name,
                stderr: output.stderr.trim().to_owned(),
            });
        }
        Ok(output.stdout)
    }

    /// Runs it and returns what it printed, without the final newline.
    pub(super) async fn text(self) -> Result<String> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes)
            .trim_end_matches('\n')
            .to_owned())
    }

    /// Runs it for its effect.
    pub(super) async fn done(self) -> Result<()> {
        self.text().await.map(drop)
    }

    /// Runs it as a question: its exit code is the answer.
    pub(super) async fn succeeds(self) -> Result<bool> {
        Ok(self.output().await?.ok)
    }
}

/// Takes `user:password@` out of every URL in a text.
pub(super) fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        clean.push_str(head);
        let authority = tail.find(['/', ' ', '\'', '"', '\n']).unwrap_or(tail.len());
        rest = match tail[..authority].rfind('@') {
            Some(end) => &tail[end + 1..],
            None => tail,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_messages() {
        let text = "fatal: 'https://me:s3cret@host/o/r.git' and http://x@h: no\nok";
        assert_eq!(
            without_credentials(text),
            "fatal: 'https://host/o/r.git' and http://h: no\nok"
        );
    }
}
