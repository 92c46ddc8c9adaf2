//! Processes that carry a mark in their environment, and so do those they start.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::processes;

/// Environment variable that carries a session's id into everything its CLI starts.
pub(crate) const SESSION: &str = "FF_SESSION_ID";
/// Environment variable that carries a workspace's id into everything its scripts start.
pub(crate) const SCRIPT: &str = "FF_SCRIPT_OF";

const ROUNDS: usize = 5;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// Kills every process whose environment has this variable with this value. A process that forks
/// while it is looked for is found in the next round.
pub(crate) async fn kill(variable: &str, value: &str) {
    let mark = format!("{variable}={value}").into_bytes();
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
    tracing::warn!(
        variable,
        value,
        "marked processes are left after several rounds of killing"
    );
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
        let fresh = || uuid::Uuid::new_v4().to_string();
        let (ours, theirs) = (fresh(), fresh());
        let start = |id: &str| {
            let mut command = tokio::process::Command::new("setsid");
            command
                .args(["sleep", "600"])
                .env(SESSION, id)
                .kill_on_drop(true);
            command.spawn().unwrap()
        };
        let (mut marked, mut other) = (start(&ours), start(&theirs));
        kill(SESSION, &ours).await;
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
