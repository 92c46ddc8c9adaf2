//! Names and labels of what belongs to a VM.

use std::collections::HashMap;

use ff_protocol::VmId;

/// Label with the id of the server that made it.
pub const INSTANCE_LABEL: &str = "cloud.factory-factory.instance";
/// Label with the VM's id.
pub const VM_LABEL: &str = "cloud.factory-factory.vm";

const HOME_PREFIX: &str = "ff-home-";

/// Name of a VM's container.
pub fn container_name(vm: &VmId) -> String {
    format!("ff-vm-{vm}")
}

/// Name of a VM's home volume.
pub fn home_name(vm: &VmId) -> String {
    format!("{HOME_PREFIX}{vm}")
}

/// The VM whose home volume has this name.
pub fn vm_of_home(name: &str) -> Option<VmId> {
    name.strip_prefix(HOME_PREFIX)?.parse().ok()
}

/// Labels of everything that belongs to a VM of this server.
pub fn labels(instance_id: &str, vm: &VmId) -> HashMap<String, String> {
    [
        (INSTANCE_LABEL.to_owned(), instance_id.to_owned()),
        (VM_LABEL.to_owned(), vm.to_string()),
    ]
    .into()
}

/// Whether these labels say that something belongs to that VM of that server.
pub fn are_labels_of(found: &HashMap<String, String>, instance_id: &str, vm: &VmId) -> bool {
    labels(instance_id, vm)
        .iter()
        .all(|(name, value)| found.get(name) == Some(value))
}
