//! Crash points: the named gaps between two outside effects of making, running and putting away a
//! workspace. The tests end a process of their own there by SIGKILL; a build without them has none.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Crash points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Point {
            $($(#[$doc])* $name,)*
        }

        #[cfg(test)]
        impl Point {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

points! {
    /// The row is there, and nothing is made.
    Entered = "new.entered";
    /// Its making has begun, and nothing is made.
    Begun = "init.begun";
    /// It is written down which branch is to be made.
    BranchPlanned = "init.branch_planned";
    /// There is a worktree that no row names.
    WorktreeMade = "init.worktree_made";
    /// The row names it, and no script ran.
    Registered = "init.registered";
    /// The first message is in a session's queue.
    PromptQueued = "init.prompt_queued";
    /// A script runs, and is written down.
    ScriptRuns = "init.script_runs";
    /// The scripts have ended, and the row does not say so.
    ScriptsEnded = "init.scripts_ended";
    /// It is ready, and messages that waited were not sent.
    Made = "init.made";
    /// It is to be put away, and all runs.
    ArchiveMarked = "archive.marked";
    /// Nothing runs in it any more.
    ArchiveStopped = "archive.stopped";
    /// What was not committed is.
    ArchiveCommitted = "archive.committed";
    /// Its worktree is gone, and the row does not say that it is put away.
    ArchiveRemoved = "archive.removed";
    /// A row is to be deleted; nothing runs in it any more.
    DeleteStopped = "delete.stopped";
    /// Its worktree is gone, and the row is there.
    DeleteRemoved = "delete.removed";
    /// A run script is to start.
    RunBegun = "run.begun";
    /// It runs, and is not written down.
    RunSpawned = "run.spawned";
    /// It runs, and what runs beside it does not.
    RunWritten = "run.written";
    /// It is to stop, and runs.
    RunStopping = "run.stopping";
    /// It has ended, and the row says that it stops.
    RunEnded = "run.ended";
}

/// Says that this point is reached.
#[cfg_attr(not(test), allow(unused_variables))]
pub(crate) fn reach(point: Point) {
    #[cfg(test)]
    armed::reach(point);
}

#[cfg(test)]
pub(crate) mod armed {
    use std::sync::OnceLock;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// Environment variable with the name of the point at which the process is to end.
    pub(crate) const VARIABLE: &str = "FF_CORE_CRASH_AT";

    pub(super) fn reach(point: Point) {
        static AT: OnceLock<Option<String>> = OnceLock::new();
        let at = AT.get_or_init(|| std::env::var(VARIABLE).ok());
        if at.as_deref() == Some(point.name()) {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
