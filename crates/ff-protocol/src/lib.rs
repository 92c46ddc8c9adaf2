//! Types that cross a process boundary: ids, REST bodies, WebSocket frames, error codes.
//!
//! Pure data, no I/O. JSON names are camelCase; enum values are those of the original
//! application (SCREAMING_SNAKE_CASE) unless a type says otherwise.

pub mod agent;
pub mod awake;
pub mod close;
pub mod derived;
pub mod error;
pub mod handoff;
pub mod ids;
pub mod limits;
pub mod onboarding;
pub mod ownership;
pub mod project;
pub mod pull_request;
pub mod question;
pub mod session;
pub mod socket;
pub mod terminal;
pub mod user;
pub mod vm;
pub mod workspace;

pub use error::{ErrorCode, Problem};
pub use ids::{
    ClientId, DesktopId, HandoffId, InvalidId, LeaseId, ProjectId, RequestId, SessionId,
    TerminalId, UserId, VmId, WorkspaceId,
};

/// Generation of the agent protocol. The newer side adapts to the older one; a number is
/// raised only when an older peer would misread a message.
pub const PROTOCOL_GENERATION: u32 = 1;

/// A point in time on the wire: RFC 3339, UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// A page of a list. `next` is the cursor of the following page, absent on the last one.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// Cursor for the next page (`?after=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page that holds everything there is.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
