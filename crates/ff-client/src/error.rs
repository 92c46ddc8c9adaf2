//! What can go wrong with a call.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use ff_protocol::{ErrorCode, Problem};

/// Result of a call.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The other side answered with a problem.
    #[error("{0}")]
    Problem(Problem),
    /// Nothing listens at that address.
    #[error("nothing listens at {address}")]
    Refused {
        /// Where we tried, `host:port`.
        address: String,
    },
    /// The address could not be reached or found.
    #[error("cannot reach {address}")]
    Unreachable {
        /// Where we tried, `host:port`.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer within the deadline, or a transfer that stood still.
    #[error("no answer from {address} within {} s", after.as_secs())]
    Timeout {
        /// Where we waited.
        address: String,
        /// How long.
        after: Duration,
    },
    /// The connection broke after it had been made.
    #[error("the connection to {address} broke")]
    Broken {
        /// The other side.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The answer is not what this API says.
    #[error("unexpected answer from {address}: {detail}")]
    Unexpected {
        /// The other side.
        address: String,
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// What was wrong with it.
        detail: String,
    },
    /// The socket was closed for good.
    #[error("the socket was closed: {reason} ({code})")]
    Closed {
        /// WebSocket close code (RFC 6455, 7.4).
        code: u16,
        /// The closer's reason.
        reason: String,
    },
    /// The server's address is not one we can use.
    #[error("`{url}` is not a usable server address: {why}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What was to be sent could not be read, or what came could not be written.
    #[error("reading or writing the transferred file failed")]
    Local(#[source] io::Error),
}

impl ClientError {
    /// The problem, if the other side answered with one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The code of that problem.
    pub fn code(&self) -> Option<ErrorCode> {
        self.problem().map(|problem| problem.code)
    }

    /// Whether the same call may succeed a little later: the other side was not reached, was
    /// too slow, or said that it is not ready.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 502..=504),
            Self::Unexpected { status, .. } => matches!(status, Some(502..=504)),
            Self::Closed { .. } | Self::Address { .. } | Self::Local(_) => false,
        }
    }
}

/// Sorts an error of the HTTP library into ours.
pub(crate) fn transport(address: &str, after: Duration, error: reqwest::Error) -> ClientError {
    let address = address.to_owned();
    let error = error.without_url();
    if error.is_timeout() {
        return ClientError::Timeout { address, after };
    }
    let kind = io_kind(&error);
    match (error.is_connect(), kind) {
        (true, Some(io::ErrorKind::ConnectionRefused)) => ClientError::Refused { address },
        (true, Some(io::ErrorKind::TimedOut)) => ClientError::Timeout { address, after },
        (true, _) => ClientError::Unreachable {
            address,
            source: error.into(),
        },
        (false, _) => ClientError::Broken {
            address,
            source: error.into(),
        },
    }
}

/// The kind of the I/O error that lies at the root of `error`.
pub(crate) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        next = error.source();
    }
    kind
}
