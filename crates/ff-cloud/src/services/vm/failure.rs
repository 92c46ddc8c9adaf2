//! Why a VM failed: a stable code in its row, and what a caller is told.

use ff_protocol::{ErrorCode, Problem};

use crate::compute::{ComputeError, WHEN_AGENT_FAILED, WHEN_FAILED, WHEN_UNAVAILABLE};
use crate::db::entity::vm::Model;
use crate::error::{Error, chain};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Causes of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// The code in the row.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn of(text: &str) -> Self {
                match text { $($text => Self::$name,)* _ => Self::Internal }
            }
        }
    };
}

causes! {
    /// The engine did not answer.
    Compute = "compute_unavailable";
    /// The engine refused.
    Engine = "compute_failed";
    /// The image of the VMs is not there.
    Image = "image_missing";
    /// The home is gone, and with it what the user had.
    Volume = "volume_missing";
    /// The agent did not come up.
    Agent = "agent_unavailable";
    /// It came up too slowly.
    StartTimeout = "start_timeout";
    /// It runs, and its agent has not answered for minutes.
    Unreachable = "agent_unreachable";
    /// It ended by itself.
    Exited = "exited";
    /// It ended for want of memory.
    OutOfMemory = "oom_killed";
    /// Its container was removed by somebody else.
    Removed = "container_removed";
    /// It ends again and again.
    CrashLoop = "crash_loop";
    /// It took too long.
    Deadline = "deadline";
    /// The server ended in the middle of it.
    Interrupted = "interrupted";
    /// A fault of ours.
    Internal = "internal";
}

/// Whether the last thing that kept a user's VM from its way is that the provider did not answer.
/// (Those of the pool are replaced.)
pub fn unanswered(row: &Model) -> bool {
    row.user_id.is_some() && row.reason_code.as_deref() == Some(Cause::Compute.as_str())
}

/// A failure with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The cause.
    pub cause: Cause,
    /// What happened, for people.
    pub detail: String,
}

impl Fault {
    /// A failure.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }

    /// Reads it from a row.
    pub fn of_row(code: Option<&str>, reason: Option<&str>) -> Self {
        Self::new(
            Cause::of(code.unwrap_or_default()),
            reason.unwrap_or("the VM failed"),
        )
    }

    /// What a caller is told.
    pub fn problem(&self) -> Problem {
        let (code, hint) = match self.cause {
            Cause::Compute => (ErrorCode::ComputeUnavailable, WHEN_UNAVAILABLE),
            Cause::Engine => (ErrorCode::ComputeUnavailable, WHEN_FAILED),
            Cause::Image => (ErrorCode::ComputeUnavailable, "build it with `make image`"),
            Cause::Volume => (
                ErrorCode::Conflict,
                "bring the volume back from a backup, or delete the VM and make a new one",
            ),
            Cause::Agent
            | Cause::StartTimeout
            | Cause::Unreachable
            | Cause::Exited
            | Cause::CrashLoop => (ErrorCode::AgentUnavailable, WHEN_AGENT_FAILED),
            Cause::OutOfMemory => (
                ErrorCode::AgentUnavailable,
                "give the VM more memory, then try again",
            ),
            Cause::Removed => (ErrorCode::AgentUnavailable, "try again"),
            Cause::Deadline => (ErrorCode::Timeout, "try again"),
            Cause::Interrupted => (ErrorCode::AgentUnavailable, "try again"),
            Cause::Internal => {
                return Error::Bug(self.detail.clone()).problem();
            }
        };
        Problem::new(code, self.detail.clone()).with_hint(hint)
    }
}

impl From<ComputeError> for Fault {
    fn from(error: ComputeError) -> Self {
        let cause = match &error {
            ComputeError::Unavailable(_) => Cause::Compute,
            ComputeError::ImageMissing(_) => Cause::Image,
            _ => Cause::Engine,
        };
        Self::new(cause, error.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Compute(error) => error.into(),
            Error::Refused(problem) if problem.code == ErrorCode::AgentUnavailable => {
                Self::new(Cause::Agent, problem.detail)
            }
            error => {
                tracing::error!(error = %chain(&error), "a VM failed by a fault of the server");
                Self::new(Cause::Internal, "something went wrong in the server")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_survives_the_row_and_says_what_to_do() {
        for cause in [
            Cause::Compute,
            Cause::Engine,
            Cause::Image,
            Cause::Volume,
            Cause::Agent,
            Cause::StartTimeout,
            Cause::Unreachable,
            Cause::Exited,
            Cause::OutOfMemory,
            Cause::Removed,
            Cause::CrashLoop,
            Cause::Deadline,
            Cause::Interrupted,
            Cause::Internal,
        ] {
            let read = Fault::of_row(Some(cause.as_str()), Some("text"));
            assert_eq!(read, Fault::new(cause, "text"));
            assert!(read.problem().hint.is_some(), "{cause:?}");
        }
        let missing = Fault::from(ComputeError::ImageMissing("ff-vm:latest".to_owned()));
        assert!(missing.problem().to_string().contains("make image"));
    }
}
