//! A process that can be told from another which has its number later.

use rustix::process::{Pid, Signal, kill_process_group};

use crate::store::ProcessMark;

/// The mark of a process that lives; `None` when it is gone.
pub(crate) fn of(pid: u32) -> Option<ProcessMark> {
    Some(ProcessMark {
        pid,
        start: start(pid)?,
        boot: boot()?,
    })
}

/// Kills the group that the process leads, if it still is that process.
pub(crate) fn kill_group(mark: &ProcessMark) {
    if of(mark.pid).as_ref() != Some(mark) {
        return;
    }
    if let Some(group) = Pid::from_raw(mark.pid.cast_signed()) {
        // One that ended meanwhile is as good as killed.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Field 22 of `/proc/PID/stat`; the second one, in parentheses, may hold anything.
fn start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_marked_process_is_killed() {
        let start = || {
            let mut command = tokio::process::Command::new("sleep");
            command.arg("600").process_group(0).kill_on_drop(true);
            command.spawn().unwrap()
        };
        let (mut ours, mut other) = (start(), start());
        let mark = of(ours.id().unwrap()).unwrap();
        let theirs = of(other.id().unwrap()).unwrap();
        let reused = ProcessMark {
            start: theirs.start + 1,
            ..theirs
        };
        kill_group(&mark);
        kill_group(&reused);
        assert!(!ours.wait().await.unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        // The number may be another's by now.
        assert_ne!(of(mark.pid), Some(mark));
        other.kill().await.unwrap();
    }
}
