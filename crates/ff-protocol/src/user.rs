//! Users of a server.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId, VmId};

/// What was removed when a user's account was deleted: ids and numbers, and no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// The user.
    pub user_id: UserId,
    /// When the last of it was gone.
    pub at: Timestamp,
    /// What is gone.
    pub removed: Removed,
}

/// What an [`Erasure`] removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// VMs whose rows are gone, also those that had ended before.
    pub vms: Vec<VmId>,
    /// Containers of VMs that were there, by their provider's ids.
    pub containers: Vec<String>,
    /// Homes of VMs that were there, by their provider's names.
    pub volumes: Vec<String>,
    /// Workspaces in the server's mirror.
    pub workspaces: u64,
    /// Hand-offs.
    pub handoffs: u64,
    /// Leases of VMs.
    pub leases: u64,
    /// Intervals in the account of what VMs did.
    pub usage_intervals: u64,
    /// API keys.
    pub keys: u64,
}

impl Removed {
    /// Adds what another step removed: ids once, numbers summed.
    pub fn add(&mut self, other: Self) {
        add_new(&mut self.vms, other.vms);
        add_new(&mut self.containers, other.containers);
        add_new(&mut self.volumes, other.volumes);
        self.workspaces += other.workspaces;
        self.handoffs += other.handoffs;
        self.leases += other.leases;
        self.usage_intervals += other.usage_intervals;
        self.keys += other.keys;
    }
}

fn add_new<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_listed_once_and_numbers_are_summed() {
        let one = Removed {
            containers: vec!["a".to_owned()],
            workspaces: 1,
            ..Removed::default()
        };
        let mut all = one.clone();
        all.add(one);
        all.add(Removed {
            containers: vec!["b".to_owned()],
            leases: 2,
            ..Removed::default()
        });
        assert_eq!(all.containers, ["a", "b"]);
        assert_eq!((all.workspaces, all.leases), (2, 2));
    }
}
