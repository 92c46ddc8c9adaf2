//! Why a CLI ended, for people.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

const TAIL_BYTES: usize = 8 * 1024;
const SHOWN_CHARS: usize = 1_000;

/// The last 8 KiB a process wrote to stderr.
#[derive(Debug)]
pub(super) struct StderrTail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    reader: AbortOnDropHandle<()>,
}

impl StderrTail {
    /// Reads stderr to its end and keeps the tail.
    pub(super) fn follow(mut stderr: ChildStderr) -> Self {
        let bytes = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&bytes);
        let reader = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..read]);
                let over = kept.len().saturating_sub(TAIL_BYTES);
                kept.drain(..over);
            }
        });
        Self {
            bytes,
            reader: AbortOnDropHandle::new(reader),
        }
    }

    /// Waits until all of it has been read, but not beyond the deadline.
    pub(super) async fn read_to_end(&mut self, deadline: Instant) {
        if !self.reader.is_finished() {
            let _ = tokio::time::timeout_at(deadline, &mut self.reader).await;
        }
    }

    /// The tail as text without control characters.
    pub(super) fn text(&self) -> String {
        let mut bytes = self
            .bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let text = String::from_utf8_lossy(bytes.make_contiguous()).into_owned();
        let plain = text.replace(|c: char| c.is_control() && c != '\n', "");
        let skip = plain.chars().count().saturating_sub(SHOWN_CHARS);
        plain
            .chars()
            .skip(skip)
            .collect::<String>()
            .trim()
            .to_owned()
    }
}

/// Why the CLI could not be started, and what to do.
pub(super) fn not_started(claude: &Path, error: &io::Error) -> String {
    let name = claude.display();
    match error.kind() {
        io::ErrorKind::NotFound => missing(claude),
        _ => format!(
            "the Claude CLI ({name}) could not be started: {error}; {}",
            check_it(claude)
        ),
    }
}

/// Why no CLI can be started where its workspace was, and how to get that back.
pub(super) fn directory_gone(dir: &Path, repo: Option<&Path>, branch: Option<&str>) -> String {
    let dir = dir.display();
    let gone = format!("the workspace's directory {dir} is gone");
    match (repo, branch) {
        (Some(repo), Some(branch)) => format!(
            "{gone}; restore it with `git -C {repo} worktree prune` and `git -C {repo} worktree add {dir} {branch}`, then resume the session",
            repo = repo.display()
        ),
        _ => format!("{gone}; restore it, then resume the session"),
    }
}

/// Why the CLI ended before it was ready.
pub(super) fn not_ready(claude: &Path, status: ExitStatus, stderr: &str) -> String {
    match status.code() {
        Some(126 | 127) => with_stderr(missing(claude), stderr),
        _ => {
            let how = describe(status);
            with_stderr(
                format!(
                    "the Claude CLI ended before it was ready ({how}); {}",
                    check_it(claude)
                ),
                stderr,
            )
        }
    }
}

/// Why a CLI that said nothing was ended.
pub(super) fn silent(claude: &Path, limit: Duration, stderr: &str) -> String {
    let waited = limit.as_secs();
    with_stderr(
        format!(
            "the Claude CLI did not get ready within {waited} s; {}",
            check_it(claude)
        ),
        stderr,
    )
}

/// Why a CLI that did not obey was ended.
pub(super) fn stuck(stderr: &str) -> String {
    let reason =
        "the Claude CLI did not end its turn when asked, and was killed; send a message to go on";
    with_stderr(reason.to_owned(), stderr)
}

/// Why the CLI ended in the middle of its life.
pub(super) fn died(status: ExitStatus, stderr: &str) -> String {
    let how = describe(status);
    let reason = format!("the Claude CLI ended ({how}); send a message to start it again");
    with_stderr(reason, stderr)
}

/// The end itself: an exit code, or a signal.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Adds what was last written to stderr.
pub(super) fn with_stderr(reason: String, stderr: &str) -> String {
    if stderr.is_empty() {
        reason
    } else {
        format!("{reason}: {stderr}")
    }
}

fn missing(claude: &Path) -> String {
    let name = claude.display();
    format!(
        "the Claude CLI ({name}) is not installed here; install it so that `claude --version` works, then send a message again"
    )
}

fn check_it(claude: &Path) -> String {
    format!("try `{} --version` in a terminal", claude.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_the_cli_and_what_to_do() {
        let claude = Path::new("claude");
        let gone = not_started(claude, &io::ErrorKind::NotFound.into());
        assert!(
            gone.contains("(claude) is not installed") && gone.contains("install it"),
            "{gone}"
        );
        let denied = not_started(claude, &io::ErrorKind::PermissionDenied.into());
        assert!(denied.contains("`claude --version`"), "{denied}");
        let refused = not_ready(claude, ExitStatus::from_raw(127 << 8), "no such file");
        assert!(
            refused.contains("not installed") && refused.ends_with("no such file"),
            "{refused}"
        );
    }

    #[test]
    fn ends_are_described_by_code_or_signal() {
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exit code 3");
        assert_eq!(describe(ExitStatus::from_raw(9)), "killed by signal 9");
        assert_eq!(
            died(ExitStatus::from_raw(9), "oops"),
            "the Claude CLI ended (killed by signal 9); send a message to start it again: oops"
        );
    }

    #[tokio::test]
    async fn only_the_tail_of_stderr_is_kept() {
        let mut child = tokio::process::Command::new("bash")
            .args(["-c", "for i in $(seq 5000); do echo line $i >&2; done; printf '\\033[31mend\\033[0m' >&2"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut tail = StderrTail::follow(child.stderr.take().unwrap());
        tail.read_to_end(Instant::now() + Duration::from_secs(30))
            .await;
        child.wait().await.unwrap();
        let text = tail.text();
        assert!(
            text.ends_with("end[0m") && text.contains("line 5000") && !text.contains("line 1\n"),
            "{text}"
        );
        assert!(tail.bytes.lock().unwrap().len() <= TAIL_BYTES);
    }
}
