//! What a VM may use.

use serde::{Deserialize, Serialize};

/// What a VM may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// CPUs; parts of one are allowed.
    pub cpus: f64,
    /// Bytes of memory; there is no swap on top.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
}

impl Eq for Limits {}

/// A VM's limits as the API shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VmLimits {
    /// What it may use.
    #[serde(flatten)]
    pub limits: Limits,
    /// When they are in force.
    pub applied: Applied,
}

/// When a change of limits is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// They are.
    Now,
    /// From the VM's next start on: the engine could not change the running one.
    NextResume,
}

/// `PATCH /api/vms/{id}/limits`: a preset, and single values that go before it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeLimits {
    /// A preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// CPUs, 0.01 to 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Bytes of memory, 64 MiB at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes and threads, 64 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// Sizes of VMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// 1 CPU, 2 GiB, 512 processes.
    Small,
    /// 2 CPUs, 4 GiB, 1024 processes.
    Medium,
    /// 4 CPUs, 8 GiB, 2048 processes.
    Large,
}

impl Preset {
    /// Its values.
    pub fn limits(self) -> Limits {
        let (cpus, gibibytes, pids) = match self {
            Self::Small => (1.0, 2, 512),
            Self::Medium => (2.0, 4, 1024),
            Self::Large => (4.0, 8, 2048),
        };
        Limits {
            cpus,
            memory: gibibytes << 30,
            pids,
        }
    }
}
