//! The crash points of a hand-off, on either side.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Crash points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// Names of all crash points of a hand-off.
        pub const POINTS: &[&str] = &[$($text,)*];
    };
}

points! {
    /// A workspace is marked as moving, and what runs in it runs.
    Marked = "leave.marked";
    /// Nothing runs in it any more.
    Quiet = "leave.quiet";
    /// The parts are spooled, and the record does not know them.
    Spooled = "leave.spooled";
    /// It does.
    Noted = "leave.noted";
    /// Ownership has moved; the copy that stays is written down, and is on its branch.
    Retained = "leave.retained";
    /// It is off its branch, and the row says that the workspace is here.
    Detached = "leave.detached";
    /// The row says who owns it, and the hand-off is open.
    Released = "leave.released";
    /// Parts are awaited, and nothing is made ready for them.
    Awaited = "arrive.awaited";
    /// A clone is there.
    Cloned = "arrive.cloned";
    /// A part is whole, and whoever sent it does not know.
    Taken = "arrive.taken";
    /// Commits are there under a private ref.
    Fetched = "arrive.fetched";
    /// What was restored lies beside what is there, and the record does not know it.
    Placed = "arrive.placed";
    /// It does, and whoever asked does not.
    Restored = "arrive.restored";
    /// Ownership has moved; what has to go from the worktree is written down, and is there.
    Planned = "arrive.planned";
    /// It is gone, and nothing has come in its place.
    Cleared = "arrive.cleared";
    /// One file is in its place, and others are not.
    MovingIn = "arrive.moving_in";
    /// All files are in their places, and index and branch are those of before.
    MovedIn = "arrive.moved_in";
    /// The branch is checked out, and what was half-way is not half-way here.
    Pointed = "arrive.pointed";
    /// The branch is checked out with all of its state, and the rows are those of
    /// before.
    CheckedOut = "arrive.checked_out";
    /// The CLI's transcripts are in their place.
    Transcribed = "arrive.transcribed";
    /// Private refs are gone.
    RefsGone = "arrive.refs_gone";
    /// The rows are taken in, and the spool is there.
    TakenIn = "arrive.taken_in";
    /// It was given up: the mark is gone, and what was restored is there.
    GivenUp = "arrive.given_up";
    /// It has ended on this side, and the spool is there.
    Ended = "both.ended";
}

/// Comes to a crash point.
pub(super) fn reach(point: Point) {
    crate::fault::come_to(point.name());
}
