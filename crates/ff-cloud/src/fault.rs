//! Crash points: the named gaps between two outside effects (a commit, a call to the provider,
//! a call to an agent). The fault suite ends the server there by SIGKILL, and counts how often
//! each was reached. Without `--dev` and the variables below they do nothing.
//!
//! `FF_CRASH_AT=NAME[:N]` kills the process when it comes to that point for the N-th time;
//! `FF_CRASH_LOG=FILE` notes each point that is reached, a line each.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Crash points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

points! {
    /// A new VM is entered; nothing is made.
    Entered = "up.entered";
    /// It has a home and no machine.
    HomeMade = "up.home_made";
    /// It has a machine without a token.
    MachineMade = "up.machine_made";
    /// It has a token and does not run.
    TokenWritten = "up.token_written";
    /// It runs, and nobody has spoken to its agent.
    MachineStarted = "up.machine_started";
    /// Its agent has answered, and its row does not say so.
    AgentAnswered = "up.agent_answered";
    /// A pooled VM has a user, and its agent was not asked.
    Claimed = "claim.committed";
    /// A VM is to wake; nothing is done.
    ResumeMarked = "resume.marked";
    /// It is thawed, and its agent executes nothing yet.
    Thawed = "resume.thawed";
    /// Its agent executes again, and its row does not say so.
    Released = "resume.released";
    /// A VM is to sleep; its agent does not know.
    SuspendMarked = "suspend.marked";
    /// Its agent executes nothing more, and it runs.
    Quiesced = "suspend.quiesced";
    /// It is frozen, and its row does not say so.
    Frozen = "suspend.frozen";
    /// It is stopped, and its row does not say so.
    Stopped = "suspend.stopped";
    /// A frozen VM is thawed, to be stopped.
    DeepenThawed = "deepen.thawed";
    /// It is stopped, and its row says frozen.
    DeepenStopped = "deepen.stopped";
    /// A VM is to be removed; all is there.
    RemoveMarked = "remove.marked";
    /// Its machine is gone.
    MachineGone = "remove.machine_gone";
    /// Its home is gone.
    HomeGone = "remove.home_gone";
    /// What rows said of it is gone, but for its own.
    RowsGone = "remove.rows_gone";
    /// Rows of an account are gone; its VM is there.
    EraseBegun = "erase.begun";
    /// Its VM is gone too, and its own row is not.
    EraseVmGone = "erase.vm_gone";
    /// A stopped VM's machine of the old image is gone.
    OldGone = "upgrade.old_gone";
    /// It has a machine of the new image, and its row names the old one.
    NewMade = "upgrade.new_made";
    /// The new machine has come up, and its row names the old image.
    NewProved = "upgrade.new_proved";
    /// Limits are in the row, and not in force.
    LimitsNoted = "limits.noted";
}

struct Plan {
    at: Option<(String, AtomicU32)>,
    log: Option<PathBuf>,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Takes the plan from the environment; points do nothing before.
pub fn arm() {
    let at = std::env::var("FF_CRASH_AT").ok().map(|text| {
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        let nth = nth.parse().unwrap_or(1);
        (name.to_owned(), AtomicU32::new(nth))
    });
    let log = std::env::var_os("FF_CRASH_LOG").map(PathBuf::from);
    if at.is_some() || log.is_some() {
        let _ = PLAN.set(Plan { at, log });
    }
}

/// Comes to a crash point.
pub fn point(point: Point) {
    let Some(plan) = PLAN.get() else { return };
    if let Some(path) = &plan.log {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{}\n", point.name()).as_bytes()));
    }
    if let Some((name, left)) = &plan.at
        && name == point.name()
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_a_name_of_its_own() {
        let mut names: Vec<_> = Point::ALL.iter().map(|point| point.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
