//! Crash points: the named gaps between two outside effects (a commit, a call to the provider,
//! a call to an agent). The fault suite ends the server there by SIGKILL, and counts how often
//! each was reached. Without `--dev` and the variables below they do nothing.
//!
//! `FF_CRASH_AT=NAME[:N]` kills the process when it comes to that point for the N-th time;
//! `FF_CRASH_LOG=FILE` lists the points there are (`has NAME`) and notes each that is reached
//! (`hit NAME`); `FF_CRASH_TICKET=FILE` names a file with the name of a point: the first process that
//! comes there takes it away and dies, once; after `NAME stop` it notes `stopped PID` in the log, and
//! stops until it is told to go on.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ff_protocol::ErrorCode;
use rustix::process::{Signal, getpid, kill_process};

use crate::{Error, Result};

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
    /// A machine that does not fit its row is gone, and another is not made.
    Unfit = "up.unfit_gone";
    /// It has a machine without a token.
    MachineMade = "up.machine_made";
    /// Its next token has a number, and its machine has another or none.
    TokenNumbered = "up.token_numbered";
    /// It has a token and does not run.
    TokenWritten = "up.token_written";
    /// It runs, and nobody has spoken to its agent.
    MachineStarted = "up.machine_started";
    /// Its agent has answered, and its row does not say so.
    AgentAnswered = "up.agent_answered";
    /// It did not come up and what was made is gone, and its row does not say so.
    CleanedUp = "up.cleaned_up";
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
    /// Its agent executes again, and its row says frozen.
    DeepenReleased = "deepen.released";
    /// Its agent executes nothing more, and its row says frozen.
    DeepenQuiesced = "deepen.quiesced";
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
    /// The images of a stopped VM are kept, and nothing is changed.
    ImagesKept = "upgrade.images_kept";
    /// Its machine of the old image is gone.
    OldGone = "upgrade.old_gone";
    /// It has a machine of the new image, and its row names the old one.
    NewMade = "upgrade.new_made";
    /// The new machine has come up, and its row names the old image.
    NewProved = "upgrade.new_proved";
    /// The new machine is stopped again, and its row names the old image.
    NewStopped = "upgrade.new_stopped";
    /// The new machine has not come up and is gone.
    NewGone = "upgrade.new_gone";
    /// It has a machine of the old image again, and its row does not say that it sleeps.
    OldMade = "upgrade.old_made";
    /// Limits are in the row, and not in force.
    LimitsNoted = "limits.noted";
    /// Limits are in force, and the row says that they wait.
    LimitsApplied = "limits.applied";
    /// A VM has lost its home, and its machine may run.
    LossMarked = "loss.marked";
    /// Its machine is stopped, and its row does not say that it failed.
    LossStopped = "loss.stopped";
    /// A hand-off is entered; the agent was not asked.
    HandoffEntered = "handoff.entered";
    /// The agent is ready for it, and the desktop does not know.
    HandoffPrepared = "handoff.prepared";
    /// The agent has taken an offer, and the desktop does not know what has arrived.
    HandoffOffered = "handoff.offered";
    /// A part has gone through, and its sender does not know.
    HandoffPassed = "handoff.passed";
    /// The agent has restored the workspace, and the row does not say so.
    HandoffRestored = "handoff.restored";
    /// The row says so.
    HandoffNoted = "handoff.noted";
    /// Nothing keeps it from being committed.
    HandoffChecked = "handoff.checked";
    /// Ownership has moved, and nobody knows.
    HandoffCommitted = "handoff.committed";
    /// The agent knows, and the desktop does not.
    HandoffTold = "handoff.told";
    /// Both sides have converged, and the row does not say so.
    HandoffConverged = "handoff.converged";
    /// It is closed, and the desktop does not know.
    HandoffClosed = "handoff.closed";
    /// It is given up, and the agent does not know.
    HandoffGivenUp = "handoff.given_up";
}

struct Plan {
    at: Option<(Point, AtomicU32)>,
    log: Option<PathBuf>,
    ticket: Option<PathBuf>,
}

impl Plan {
    /// What happens at a point, if the ticket is for it; then it is used up.
    fn taken(&self, point: Point) -> Option<Signal> {
        let ticket = self.ticket.as_ref()?;
        let text = std::fs::read_to_string(ticket).ok()?;
        let mut words = text.split_whitespace();
        if words.next() != Some(point.name()) {
            return None;
        }
        std::fs::remove_file(ticket).ok()?;
        if words.next() != Some("stop") {
            return Some(Signal::KILL);
        }
        if let Some(log) = &self.log {
            let _ = append(log, &format!("stopped {}\n", std::process::id()));
        }
        Some(Signal::STOP)
    }
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Takes the plan from the environment; points do nothing before. The log begins with all points.
///
/// # Errors
/// `FF_CRASH_AT` names no point, or the log cannot be written.
pub fn arm() -> Result<()> {
    let at = std::env::var("FF_CRASH_AT")
        .ok()
        .map(|text| aim(&text))
        .transpose()?;
    let log = std::env::var_os("FF_CRASH_LOG").map(PathBuf::from);
    let ticket = std::env::var_os("FF_CRASH_TICKET").map(PathBuf::from);
    if at.is_none() && log.is_none() && ticket.is_none() {
        return Ok(());
    }
    if let Some(path) = &log {
        let all: String = Point::ALL
            .iter()
            .map(|point| format!("has {}\n", point.name()))
            .collect();
        append(path, &all).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
    }
    let at = at.map(|(point, nth)| (point, AtomicU32::new(nth)));
    let _ = PLAN.set(Plan { at, log, ticket });
    Ok(())
}

fn aim(text: &str) -> Result<(Point, u32)> {
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    let point = Point::ALL.iter().find(|point| point.name() == name);
    match (point, nth.parse()) {
        (Some(point), Ok(nth @ 1..)) => Ok((*point, nth)),
        _ => Err(Error::refused(
            ErrorCode::Invalid,
            format!("FF_CRASH_AT={text} names no crash point"),
        )
        .hint("give NAME or NAME:N; FF_CRASH_LOG=FILE lists the names")),
    }
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// Comes to a crash point.
pub fn point(point: Point) {
    let Some(plan) = PLAN.get() else { return };
    if let Some(path) = &plan.log {
        // What cannot be noted is missed by whoever counts.
        let _ = append(path, &format!("hit {}\n", point.name()));
    }
    if let Some(signal) = plan.taken(point) {
        let _ = kill_process(getpid(), signal);
    }
    if let Some((at, left)) = &plan.at
        && *at == point
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

    #[test]
    fn what_names_no_point_is_refused() {
        assert_eq!(aim("up.entered").unwrap(), (Point::Entered, 1));
        assert_eq!(aim("up.entered:3").unwrap(), (Point::Entered, 3));
        for text in ["", "up", "up.entered:0", "up.entered:x", "up.entered:"] {
            let error = aim(text).unwrap_err().to_string();
            assert!(error.contains("FF_CRASH_AT"), "{error}");
        }
    }
}
