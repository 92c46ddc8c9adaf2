//! The server's error type.
//!
//! Services and `db` return [`Error`]. What a caller may be told is a [`Problem`] inside
//! [`Error::Refused`]; everything else is a fault of ours, reaches the caller as `internal`
//! without detail, and its chain of sources goes to the log once, where the answer is made.

use ff_protocol::{ErrorCode, Problem};

/// What can go wrong in the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Expected, and told to the caller as it stands.
    #[error("{0}")]
    Refused(Problem),
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] sea_orm::DbErr),
    /// A file of the data directory could not be used.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The provider of VMs failed.
    #[error("the provider of VMs failed")]
    Compute(#[from] crate::compute::ComputeError),
    /// Something that must hold does not.
    #[error("{0}")]
    Bug(String),
}

/// Result with the server's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An expected error, told to the caller.
    pub fn refused(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Refused(Problem::new(code, detail))
    }

    /// The same error with a hint at what to do; no effect on faults of ours.
    pub fn hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Refused(problem) => Self::Refused(problem.with_hint(text)),
            other => other,
        }
    }

    /// `404` for an object the caller cannot see.
    pub fn not_found(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::refused(ErrorCode::NotFound, format!("there is no {kind} `{id}`"))
    }

    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Compute(error) => error.problem(),
            Self::Db(_) | Self::Io { .. } | Self::Bug(_) => {
                Problem::new(ErrorCode::Internal, "something went wrong in the server")
                    .with_hint("the server's log has the details under the request id")
            }
        }
    }

    /// The stable code the caller is told.
    pub fn code(&self) -> ErrorCode {
        self.problem().code
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// The error with all its sources in one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
