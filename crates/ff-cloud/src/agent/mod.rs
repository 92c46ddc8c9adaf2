//! The link to the agents: the server dials them, and believes none before it has proved which
//! VM it serves.

mod endpoint;
mod forward;
mod link;

pub use endpoint::{AgentToken, Endpoint};
pub use forward::{Forward, Outcome, Payload, forward, path_and_query};
pub use link::{AgentLink, failure};
