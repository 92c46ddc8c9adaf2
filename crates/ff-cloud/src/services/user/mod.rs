//! Users' accounts.

use crate::db::Db;
use crate::services::vm::VmService;

mod erase;

pub use erase::Ask;

/// Looks after users' accounts.
#[derive(Debug, Clone)]
pub struct UserService {
    db: Db,
    vms: VmService,
}

impl UserService {
    /// A service over the database and the VMs.
    pub fn new(db: Db, vms: VmService) -> Self {
        Self { db, vms }
    }
}
