//! Keeps the VM usable at its limits, and says what that took.
//!
//! - Every process but the agent and the VM's first gets a higher `oom_score_adj`: when the kernel
//!   has to kill, it kills those first. Children inherit it.
//! - When memory stays full, the largest process is killed, by name; the kernel's own choice is
//!   named by who vanished.
//! - When the users' processes have taken nine tenths of what the VM may have, those that are too
//!   many are killed together.
//!
//! A control group of its own for the users would do this better, but a container without
//! capabilities sees its groups read-only, and RLIMIT_NPROC counts a user id over all VMs of a
//! host. All happens on one thread that exists from the start, with system calls only: at the
//! limit of processes nothing can be started, not even to kill.

mod cgroup;
mod linux;
mod notices;
mod policy;
mod process;
mod standing;
mod steward;
mod texts;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result};
use ff_protocol::agent::Notice;

use linux::{Linux, System};
use notices::Notices;
use steward::Steward;

/// Set by the `process` provider in what it starts.
const PROCESS_MARK: &str = "FF_MACHINE";
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The governor at work; it ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    notices: Arc<Notices>,
    _running: Option<Sender<()>>,
}

impl Governor {
    /// Starts the governor's thread. Where the agent is not in a container of ours there is
    /// nothing to govern, and no thread.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start() -> Result<Self> {
        let proc = Path::new("/proc");
        let marked = std::env::var_os(PROCESS_MARK).is_some();
        if standing::is_ours(proc, marked) {
            Self::over(Linux::at(proc, Path::new("/sys/fs/cgroup")))
        } else {
            tracing::info!("not the agent of a container: its limits are not looked after");
            Ok(Self {
                notices: Arc::default(),
                _running: None,
            })
        }
    }

    /// What the user should know, newest last; a few at most.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.all()
    }

    fn over(system: impl System) -> Result<Self> {
        let notices = Arc::<Notices>::default();
        let mut steward = Steward::new(system, notices.clone());
        let (running, ended) = mpsc::channel();
        std::thread::Builder::new()
            .name("governor".to_owned())
            .spawn(move || {
                while ended.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
                    steward.look();
                }
            })
            .context("cannot start the governor's thread")?;
        Ok(Self {
            notices,
            _running: Some(running),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")));
        names
            .filter(|name| name.as_ref().is_ok_and(|name| name == "governor\n"))
            .count()
    }

    fn until_threads(wanted: usize) {
        for _ in 0..1500 {
            if threads() == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} threads, not {wanted}", threads());
    }

    #[test]
    fn a_plain_process_governs_nothing_and_a_governor_ends_with_its_handle() {
        let none = Governor::start().unwrap();
        assert!(none.notices().is_empty());
        assert_eq!(threads(), 0);

        let dir = tempfile::tempdir().unwrap();
        let empty = Linux::at(dir.path(), dir.path());
        let governor = Governor::over(empty).unwrap();
        let clone = governor.clone();
        until_threads(1);
        drop(governor);
        assert!(clone.notices().is_empty());
        drop(clone);
        until_threads(0);
    }
}
