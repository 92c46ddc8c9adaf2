//! What the operator sets of each VM.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ff_protocol::limits::Limits;

/// Limits and extras of each VM, as the operator set them.
#[derive(Debug, Clone, Args)]
pub struct VmSettings {
    /// CPUs of a VM; parts of one are allowed.
    #[arg(long = "vm-cpus", env = "FF_CLOUD_VM_CPUS", value_name = "N", default_value = "2", value_parser = cpus)]
    pub cpus: f64,
    /// Memory of a VM, such as 512m or 4g; it gets no swap.
    #[arg(long = "vm-memory", env = "FF_CLOUD_VM_MEMORY", value_name = "BYTES", default_value = "4g", value_parser = memory)]
    pub memory: u64,
    /// Processes and threads a VM may have.
    #[arg(long = "vm-pids", env = "FF_CLOUD_VM_PIDS", value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(32..))]
    pub pids: u32,
    /// PEM file of a certificate authority that VMs trust besides their image's; may be repeated.
    #[arg(
        long = "vm-extra-ca",
        env = "FF_CLOUD_VM_EXTRA_CA",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub extra_ca: Vec<PathBuf>,
    /// Name and address VMs find in their hosts file; may be repeated.
    #[arg(
        long = "vm-extra-host",
        env = "FF_CLOUD_VM_EXTRA_HOST",
        value_name = "NAME:IP",
        value_delimiter = ','
    )]
    pub extra_host: Vec<ExtraHost>,
    /// Settings of the agent in each VM.
    #[command(flatten)]
    pub agent: AgentSettings,
}

/// Settings of the agent in each VM. A change reaches a VM that exists with its next container,
/// when it gets a newer image.
#[derive(Debug, Clone, Args)]
pub struct AgentSettings {
    /// Terminals that may be open at once in a VM.
    #[arg(long = "vm-terminals", env = "FF_CLOUD_VM_TERMINALS", value_name = "N", default_value_t = Self::default().terminals, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub terminals: u32,
    /// Time between two looks at the pull requests of a VM's workspaces.
    #[arg(long = "vm-pr-interval", env = "FF_CLOUD_VM_PR_INTERVAL", value_name = "SECONDS", default_value_t = Self::default().pr_interval, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub pr_interval: u32,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            terminals: 50,
            pr_interval: 120,
        }
    }
}

impl AgentSettings {
    /// The variables by which `ff-agent serve` takes them.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("FF_TERMINALS", self.terminals.to_string()),
            ("FF_PR_INTERVAL", self.pr_interval.to_string()),
        ]
    }
}

impl VmSettings {
    /// What a VM may use unless it has limits of its own.
    pub fn limits(&self) -> Limits {
        Limits {
            cpus: self.cpus,
            memory: self.memory,
            pids: self.pids,
        }
    }
}

/// An entry for the hosts file of VMs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address.
    pub ip: IpAddr,
}

impl FromStr for ExtraHost {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not NAME:IP, such as git.example.test:172.17.0.1");
        let (name, ip) = text.split_once(':').ok_or_else(wrong)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if name.is_empty() || name.len() > 253 || !name.bytes().all(plain) {
            return Err(wrong());
        }
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        let ip = ip.parse().map_err(|_| wrong())?;
        Ok(Self {
            name: name.to_owned(),
            ip,
        })
    }
}

fn cpus(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if (0.01..=1024.0).contains(&cpus) => Ok(cpus),
        _ => Err("give a number of CPUs between 0.01 and 1024".to_owned()),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    let wrong = || "give bytes, or a number with k, m or g; at least 64m".to_owned();
    let lower = text.to_ascii_lowercase();
    let (number, shift) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 10),
        Some(b'm') => (&lower[..lower.len() - 1], 20),
        Some(b'g') => (&lower[..lower.len() - 1], 30),
        _ => (lower.as_str(), 0),
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(wrong)?;
    if !((64 << 20)..=(1 << 50)).contains(&bytes) {
        return Err(wrong());
    }
    Ok(bytes)
}
