//! Everything a request may use.

use std::ops::Deref;
use std::sync::Arc;

use crate::Result;
use crate::agent::AgentLink;
use crate::compute::Provider;
use crate::config::Config;
use crate::db::Db;
use crate::identity::Identity;
use crate::lifecycle::Lifecycle;
use crate::services::handoff::HandoffService;
use crate::services::ownership::OwnershipService;
use crate::services::user::UserService;
use crate::services::vm::VmService;
use crate::services::workspace::WorkspaceService;
use crate::ws::Relays;

/// The server's state; clones are cheap and share it.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

/// What an [`App`] holds.
#[derive(Debug)]
pub struct Inner {
    /// The settings it was started with.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The link to the agents.
    pub agents: AgentLink,
    /// Accounts.
    pub users: UserService,
    /// VMs and their life.
    pub vms: VmService,
    /// Workspaces and the way to them.
    pub workspaces: WorkspaceService,
    /// Hand-offs.
    pub handoffs: HandoffService,
    /// Who owns a workspace, where no hand-off says it.
    pub ownership: OwnershipService,
    /// The sockets being relayed.
    pub relays: Relays,
    /// Shutdown tokens and the tasks the server owns.
    pub lifecycle: Lifecycle,
}

impl App {
    /// Opens the database and wires the services. `provider` is told the
    /// server's instance id, so that it labels and lists only its own VMs.
    ///
    /// # Errors
    /// The data directory or the database cannot be used.
    pub async fn open(
        config: Config,
        lifecycle: Lifecycle,
        provider: impl FnOnce(&Config, &Identity) -> Result<Arc<dyn Provider>>,
    ) -> Result<Self> {
        let data_dir = config.data_dir()?;
        let identity = Identity::open(&data_dir)?;
        let db = Db::open(&config.database()?).await?;
        let provider = provider(&config, &identity)?;
        let agents = AgentLink::new()?;
        let vms = VmService::new(
            db.clone(),
            agents.clone(),
            provider,
            identity,
            config.vm_settings(),
            lifecycle.clone(),
        );
        let users = UserService::new(db.clone(), vms.clone());
        let workspaces = WorkspaceService::new(db.clone(), vms.clone(), agents.clone());
        let handoffs =
            HandoffService::new(db.clone(), vms.clone(), agents.clone(), lifecycle.clone());
        let ownership =
            OwnershipService::new(db.clone(), vms.clone(), agents.clone(), lifecycle.clone());
        Ok(Self(Arc::new(Inner {
            config,
            db,
            agents,
            users,
            vms,
            workspaces,
            handoffs,
            ownership,
            relays: Relays::new(),
            lifecycle,
        })))
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
