//! What the operator has set for VMs.

use std::time::Duration;

use ff_protocol::limits::Limits;

use super::activity::Idle;

/// Settings of the VM service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the image new VMs are made from.
    pub image: String,
    /// What a VM may use, unless it has limits of its own.
    pub limits: Limits,
    /// When VMs sleep.
    pub idle: Idle,
    /// Longest time a caller waits for a VM to be made or woken.
    pub wait: Duration,
    /// VMs made ahead of need.
    pub pool: PoolSettings,
    /// Longest lease.
    pub longest_lease: Duration,
    /// How often a VM may wake by itself within an hour.
    pub wakes_per_hour: u32,
    /// How long an unknown machine is kept aside, stopped, before it is removed.
    pub stranger_grace: Duration,
}

/// Settings of the pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// How many VMs it holds; none for 0.
    pub size: u32,
    /// A VM that has waited for longer is replaced.
    pub longest_age: Duration,
    /// Most VMs that are being made for it at a time.
    pub at_once: u32,
}
