//! The crash points of `ff` itself in a move, beside those of its core.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Crash points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        const POINTS: &[&str] = &[$($text,)*];
    };
}

points! {
    /// It is noted with which cloud the move began, and that cloud was not asked for anything.
    Begun = "move.begun";
    /// The server has begun it.
    Entered = "move.entered";
    /// All parts are where they go.
    Carried = "move.carried";
    /// The other side has restored the workspace.
    Restored = "move.restored";
    /// It is noted that the commit may be asked for, and it was not.
    Asking = "move.asking";
    /// The server says that it is committed.
    Committed = "move.committed";
    /// This side has converged, and the server does not know.
    Converged = "move.converged";
    /// The server knows, and the note is there.
    Told = "move.told";
}

/// Comes to a crash point.
pub fn reach(point: Point) {
    ff_core::fault::come_to(point.name());
}

/// Lists the crash points of this program, for whoever counts.
pub fn list() {
    ff_core::fault::list(
        POINTS
            .iter()
            .chain(ff_core::handoff::fault::POINTS)
            .copied(),
    );
}
