//! What only the server asks of an agent.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, VmId};

/// Path of the handshake, the one route that needs no token.
pub const HELLO_PATH: &str = "/agent/hello";
/// Path of the health report.
pub const HEALTH_PATH: &str = "/agent/health";

/// `GET /agent/hello?nonce=HEX`: the agent proves that it holds the VM's token before the
/// server sends it anything (container addresses are reused at once).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The VM this agent serves.
    pub vm_id: VmId,
    /// The agent's protocol generation.
    pub generation: u32,
    /// Version of the agent's program.
    pub version: String,
    /// `HMAC-SHA256(token, "ff-agent-hello\n" + vm id + "\n" + nonce)`, hex.
    pub proof: String,
}

/// `GET /agent/health`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The VM this agent serves.
    pub vm_id: VmId,
    /// Why the VM must stay awake; empty when nothing works in it.
    pub working: Vec<String>,
    /// When something last worked in it.
    pub last_active_at: Timestamp,
    /// Seconds since the agent started, on a monotonic clock.
    pub uptime_seconds: u64,
}
