//! The process group of a running program: its helpers end with it.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// A group that is killed when this is dropped, unless it has ended.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as the leader of one.
    pub(crate) fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    /// It has ended: there is nothing to kill.
    pub(crate) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // A group that ended meanwhile is as good as killed.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
