//! Who owns a workspace, where no hand-off says it: a database restored from a backup, a side that
//! is gone, two sides that both say it is theirs.
//!
//! What the server knows is compared with what the agents' and desktops' records say, at each
//! contact. A higher epoch with its record wins; the same epoch with another owner belongs to
//! nobody until a person decides.

mod contact;
mod judge;
mod reclaim;

use ff_client::AgentClient;
use ff_protocol::VmId;

use crate::Result;
use crate::agent::AgentLink;
use crate::db::Db;
use crate::lifecycle::Lifecycle;
use crate::services::vm::VmService;

/// Settles who owns workspaces.
#[derive(Debug, Clone)]
pub struct OwnershipService {
    db: Db,
    vms: VmService,
    agents: AgentLink,
    lifecycle: Lifecycle,
}

impl OwnershipService {
    /// A service over the database, the VMs and their agents.
    pub fn new(db: Db, vms: VmService, agents: AgentLink, lifecycle: Lifecycle) -> Self {
        Self {
            db,
            vms,
            agents,
            lifecycle,
        }
    }

    /// The agent of a VM, woken if need be.
    async fn awake(&self, vm: &VmId) -> Result<AgentClient> {
        self.agents.client(&self.vms.awake(vm).await?).await
    }

    /// The agent of a VM, if that runs.
    async fn running(&self, vm: &VmId) -> Result<AgentClient> {
        self.agents.client(&self.vms.running(vm).await?).await
    }
}
