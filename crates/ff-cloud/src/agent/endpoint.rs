//! Where an agent is and what it must know.

use ff_protocol::VmId;

/// The token an agent and the server share. Derived, never stored in the database; its `Debug`
/// output is redacted.
pub type AgentToken = ff_client::Secret;

/// Where the agent of a VM listens.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The VM.
    pub vm_id: VmId,
    /// Address of its agent, such as `http://172.17.0.3:7070`.
    pub base_url: String,
    /// The token the agent has read.
    pub token: AgentToken,
    /// Identity of the container's current start (its id and start time will do). Addresses are
    /// reused at once, so a proof given under another start counts for nothing.
    pub start: String,
}
