//! What handlers work on.

use ff_core::Core;
use ff_protocol::{ErrorCode, VmId};

use crate::ApiError;

/// A core, and the VM it runs in, if it runs in one. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    core: Core,
    vm_id: Option<VmId>,
}

impl Engine {
    /// An engine over a core; `vm_id` in a VM only.
    pub fn new(core: Core, vm_id: Option<VmId>) -> Self {
        Self { core, vm_id }
    }

    /// The core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Refuses a path that names another VM than the one this engine runs in.
    pub(crate) fn check_vm(&self, id: &VmId) -> Result<(), ApiError> {
        if self.vm_id.as_ref() == Some(id) {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::NotFound,
            format!("there is no VM {id} here"),
        ))
    }
}
