//! WebSockets: dialling, and the two sockets that come back by themselves.

mod attached;
mod backoff;
mod dial;
mod followed;
mod outbox;
mod terminal;
mod track;
mod workspace;

pub use dial::{MESSAGE_LIMIT, WsStream};
pub use terminal::{TerminalInput, TerminalOptions, TerminalSocket};
pub use track::TerminalEvent;
pub use workspace::{WorkspaceEvent, WorkspaceSender, WorkspaceSocket};

use std::time::Duration;

use tokio_tungstenite::tungstenite;

/// Time between our pings.
pub(crate) const PING: Duration = Duration::from_secs(10);
/// Longest silence of the peer, which answers pings.
pub(crate) const SILENCE: Duration = Duration::from_secs(25);
/// Longest time the peer may take to accept a message.
pub(crate) const WRITE: Duration = Duration::from_secs(60);

/// How one connection ended.
pub(crate) enum End {
    /// Nobody listens to us any more, or the peer said it is over.
    Done,
    /// Connect again.
    Lost(String),
    /// The VM sleeps.
    Suspended,
    /// Over, with an error.
    Failed(crate::ClientError),
}

/// What a close frame means for the client.
pub(crate) fn closed(code: u16, reason: &str) -> End {
    use ff_protocol::close;
    match code {
        close::DONE => End::Done,
        close::SUSPENDED => End::Suspended,
        code if close::reconnects(code) => End::Lost(format!("closed: {reason} ({code})")),
        code => End::Failed(crate::ClientError::Closed {
            code,
            reason: reason.to_owned(),
        }),
    }
}

/// What an error of the connection means for the client.
pub(crate) fn broken(http: &crate::http::Http, error: tungstenite::Error) -> End {
    match error {
        error @ tungstenite::Error::Capacity(_) => End::Failed(http.socket_error(error)),
        error => End::Lost(error.to_string()),
    }
}
