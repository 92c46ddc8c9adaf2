//! Limits of a container that may run.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody, HostConfig};
use bollard::query_parameters::StatsOptions;
use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use futures_util::TryStreamExt;

use super::engine::is_status;
use super::{DockerProvider, MISSING, container_name};
use crate::compute::ComputeError;

/// The engine says that a value is none that this host can give.
const BAD_REQUEST: u16 = 400;
/// Memory that the kernel cannot take back, by the names of cgroup v2 and of v1.
const HELD: [&str; 6] = [
    "anon",
    "shmem",
    "slab_unreclaimable",
    "kernel_stack",
    "total_rss",
    "total_shmem",
];

/// Limits as the engine counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Billionths of a CPU.
    pub nano_cpus: i64,
    /// Bytes, and just as many with swap: there is no swap on top.
    pub memory: i64,
    /// Processes and threads.
    pub pids: i64,
}

impl From<Limits> for Counted {
    fn from(limits: Limits) -> Self {
        Self {
            nano_cpus: (limits.cpus * 1e9) as i64,
            memory: i64::try_from(limits.memory).unwrap_or(i64::MAX),
            pids: limits.pids.into(),
        }
    }
}

impl Counted {
    fn are_in(self, host: &HostConfig) -> bool {
        host.nano_cpus == Some(self.nano_cpus)
            && host.memory == Some(self.memory)
            && host.memory_swap == Some(self.memory)
            && host.pids_limit == Some(self.pids)
    }
}

impl DockerProvider {
    /// Changes the container's limits. What the engine refuses to a container that runs, such as
    /// less memory than it holds, stays as it was until the container is made anew.
    ///
    /// # Errors
    /// Also when this host can never give so much.
    pub(super) async fn update(&self, vm: &VmId, limits: Limits) -> Result<Applied, ComputeError> {
        let wanted = Counted::from(limits);
        let missing = || ComputeError::MachineMissing(vm.clone());
        let found = self.find(vm).await?.ok_or_else(missing)?;
        if is_in_force(&found, wanted) {
            return Ok(Applied::Now);
        }
        let runs = found.state.is_some_and(|state| state.running == Some(true));
        let before = found.host_config.and_then(|host| host.memory);
        if runs
            && before.is_none_or(|before| before == 0 || wanted.memory < before)
            && !self.holds_less(vm, limits.memory).await?
        {
            return Ok(Applied::NextResume);
        }
        let name = container_name(vm);
        let body = ContainerUpdateBody {
            nano_cpus: Some(wanted.nano_cpus),
            memory: Some(wanted.memory),
            memory_swap: Some(wanted.memory),
            pids_limit: Some(wanted.pids),
            ..Default::default()
        };
        let docker = self.engine.client().await?;
        let question = docker.update_container(&name, body);
        match self.engine.call("change limits", question).await {
            Ok(()) => {}
            Err(error) if is_status(&error, MISSING) => return Err(missing()),
            Err(error) if is_status(&error, BAD_REQUEST) => return Err(error.into()),
            Err(error) => {
                let refused = ComputeError::from(error);
                if !runs || !matches!(refused, ComputeError::Failed { .. }) {
                    return Err(refused);
                }
                tracing::info!(%vm, error = %refused, "the limits wait for the VM's next start");
            }
        }
        let found = self.find(vm).await?.ok_or_else(missing)?;
        match is_in_force(&found, wanted) {
            true => Ok(Applied::Now),
            false => Ok(Applied::NextResume),
        }
    }

    /// Whether the container holds less memory than this for sure. The kernel of cgroup v2 does
    /// not refuse a limit below what is held: it kills for it.
    async fn holds_less(&self, vm: &VmId, memory: u64) -> Result<bool, ComputeError> {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let name = container_name(vm);
        let docker = self.engine.client().await?;
        let mut answers = docker.stats(&name, Some(options));
        let stats = self.engine.call("measure a container", answers.try_next());
        let Some(memory_stats) = stats.await?.and_then(|stats| stats.memory_stats) else {
            return Ok(false);
        };
        Ok(memory_stats.stats.is_some_and(|stats| fits(&stats, memory)))
    }
}

fn is_in_force(found: &ContainerInspectResponse, wanted: Counted) -> bool {
    let host = found.host_config.as_ref();
    host.is_some_and(|host| wanted.are_in(host))
}

/// Whether what cannot be taken back leaves a tenth of the limit free.
fn fits(stats: &HashMap<String, u64>, limit: u64) -> bool {
    let held: u64 = HELD.iter().filter_map(|name| stats.get(*name)).sum();
    held <= limit / 10 * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn stats(pairs: &[(&str, u64)]) -> HashMap<String, u64> {
        let owned = |&(name, value): &(&str, u64)| (name.to_owned(), value * MIB);
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn caches_can_be_taken_back_and_programs_cannot() {
        let old = stats(&[("total_rss", 90), ("total_inactive_file", 500)]);
        assert!(fits(&old, 100 * MIB));
        assert!(!fits(&old, 99 * MIB));
        let new = stats(&[("anon", 60), ("shmem", 40), ("file", 500)]);
        assert!(fits(&new, 120 * MIB));
        assert!(!fits(&new, 100 * MIB));
    }

    #[test]
    fn limits_are_in_force_when_all_of_them_are() {
        let wanted = Counted::from(Limits {
            cpus: 0.5,
            memory: 512 * MIB,
            pids: 100,
        });
        let mut host = HostConfig {
            nano_cpus: Some(500_000_000),
            memory: Some(512 << 20),
            memory_swap: Some(512 << 20),
            pids_limit: Some(100),
            ..Default::default()
        };
        assert!(wanted.are_in(&host));
        host.memory_swap = Some(-1);
        assert!(!wanted.are_in(&host), "it may swap");
    }
}
