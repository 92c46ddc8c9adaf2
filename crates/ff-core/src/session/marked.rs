//! Processes a session started, found by a mark in their environment.

use std::time::Duration;

use ff_protocol::SessionId;
use rustix::process::{Signal, kill_process};

use crate::processes;

/// Environment variable that carries the session's id into everything its CLI starts.
pub(super) const VARIABLE: &str = "FF_SESSION_ID";

const ROUNDS: usize = 5;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// Kills every process that carries the session's mark. A process that forks while it is
/// looked for is found in the next round.
pub(super) async fn kill(session: &SessionId) {
    let mark = format!("{VARIABLE}={session}").into_bytes();
    for _ in 0..ROUNDS {
        let mark = mark.clone();
        let killed = tokio::task::spawn_blocking(move || kill_once(&mark))
            .await
            .unwrap_or(0);
        if killed == 0 {
            return;
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    tracing::warn!(%session, "processes of the session are left after several rounds of killing");
}

fn kill_once(mark: &[u8]) -> usize {
    let found = processes::numbers();
    let found: Vec<_> = found
        .into_iter()
        .filter(|&pid| processes::carries(pid, mark))
        .collect();
    for &pid in &found {
        // One that ended meanwhile is as good as killed.
        let _ = kill_process(pid, Signal::KILL);
    }
    found.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn kills_what_left_the_group_and_nothing_else() {
        let (ours, theirs) = (SessionId::generate(), SessionId::generate());
        let start = |id: &SessionId| {
            let mut command = tokio::process::Command::new("setsid");
            command
                .args(["sleep", "600"])
                .env(VARIABLE, id.as_str())
                .kill_on_drop(true);
            command.spawn().unwrap()
        };
        let (mut marked, mut other) = (start(&ours), start(&theirs));
        kill(&ours).await;
        let status = marked.wait().await.unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
        assert!(
            other.try_wait().unwrap().is_none(),
            "another session's process was killed"
        );
        other.kill().await.unwrap();
    }
}
