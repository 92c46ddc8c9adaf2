//! Errors of this crate.
//!
//! [`Error::Refused`] is for what a user can understand and act on; it carries its own code and
//! words. Everything else is a fault: its text goes to the log, and the user sees only that
//! something failed.

use ff_protocol::{ErrorCode, Problem};

/// Result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a core.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Expected, and told to the user as it is.
    #[error("{0}")]
    Refused(Problem),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] sea_orm::DbErr),
    /// A file or process could not be used.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `git` failed where it was expected to work.
    #[error("git {command} failed: {stderr}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it said, without credentials.
        stderr: String,
    },
    /// Stored data that cannot be read back.
    #[error("{what} cannot be read back")]
    Data {
        /// What was read.
        what: String,
        /// Why it cannot.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// An expected error with its code and words.
    pub fn refused(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Refused(Problem::new(code, detail))
    }

    /// A failed use of a file or process.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// Adds what to do about it; only expected errors carry a hint.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refused(problem) => Self::Refused(problem.with_hint(hint)),
            other => other,
        }
    }

    /// The code that goes with this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(problem) => problem.code,
            _ => ErrorCode::Internal,
        }
    }

    /// The error as it may be shown outside.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            other if other.is_full() => {
                let detail = format!("{other}: the disk is full");
                Problem::new(ErrorCode::Internal, detail)
                    .with_hint("make room there, then try again")
            }
            other => Problem::new(ErrorCode::Internal, other.to_string()),
        }
    }

    /// Whether a disk has no room left. SQLite has only words for it.
    fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            Self::Store(source) => source.to_string().contains("disk is full"),
            _ => false,
        }
    }
}

/// Adds what was being done to an I/O error.
pub(crate) trait IoContext<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::io(what(), source))
    }
}
