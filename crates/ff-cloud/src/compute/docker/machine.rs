//! From a VM's settings to a container, and back.

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerSummary,
    ContainerSummaryStateEnum, HostConfig, HostConfigLogConfig, Mount, MountType, RestartPolicy,
    RestartPolicyNameEnum,
};
use ff_protocol::VmId;
use ff_protocol::limits::Limits;

use super::limits::Counted;
use super::names::{self, VM_LABEL, home_name};
use crate::compute::{AGENT_PORT, Machine, Power, Spec};
use crate::config::VmSettings;

const HOME: &str = "/home/ff";
/// A container's log holds what the agent says, never what a terminal shows.
const LOG_SIZE: &str = "10m";
const LOG_FILES: &str = "3";
const HOSTNAME_LEN: usize = 12;

/// The container of a VM.
pub fn body(
    vm: &VmId,
    spec: Spec<'_>,
    instance_id: &str,
    settings: &VmSettings,
) -> ContainerCreateBody {
    let identity = [
        ("FF_VM_ID", vm.to_string()),
        ("FF_AGENT_TOKEN_FILE", "-".to_owned()),
    ];
    let environment = identity.into_iter().chain(settings.agent.environment());
    ContainerCreateBody {
        hostname: Some(hostname(vm)),
        image: Some(spec.image.to_owned()),
        env: Some(environment.map(|(k, v)| format!("{k}={v}")).collect()),
        open_stdin: Some(true),
        labels: Some(names::labels(instance_id, vm)),
        host_config: Some(host_config(vm, spec.limits, settings)),
        ..Default::default()
    }
}

fn host_config(vm: &VmId, limits: Limits, settings: &VmSettings) -> HostConfig {
    let limits = Counted::from(limits);
    let log = [("max-size", LOG_SIZE), ("max-file", LOG_FILES)];
    HostConfig {
        nano_cpus: Some(limits.nano_cpus),
        memory: Some(limits.memory),
        // The same as `memory`: no swap on top.
        memory_swap: Some(limits.memory),
        pids_limit: Some(limits.pids),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        extra_hosts: Some(
            settings
                .extra_host
                .iter()
                .map(|host| format!("{}:{}", host.name, host.ip))
                .collect(),
        ),
        mounts: Some(vec![Mount {
            target: Some(HOME.to_owned()),
            source: Some(home_name(vm)),
            typ: Some(MountType::VOLUME),
            ..Default::default()
        }]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..Default::default()
    }
}

/// The end of the id: of two ids made in the same minute it is what differs.
fn hostname(vm: &VmId) -> String {
    let id = vm.as_str();
    let tail = &id[id.len().saturating_sub(HOSTNAME_LEN)..];
    format!("ff-{}", tail.trim_matches('-'))
}

/// Whether the container carries this server's and VM's labels.
pub fn belongs_to(found: &ContainerInspectResponse, instance_id: &str, vm: &VmId) -> bool {
    let labels = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels.is_some_and(|labels| names::are_labels_of(labels, instance_id, vm))
}

/// What an inspection says.
pub fn machine(vm_id: VmId, found: ContainerInspectResponse) -> Machine {
    let state = found.state.unwrap_or_default();
    let id = found.id.unwrap_or_default();
    let power = power(&state);
    let address = found
        .network_settings
        .and_then(|settings| settings.networks)
        .and_then(|networks| {
            networks
                .into_values()
                .filter_map(|network| network.ip_address)
                .find(|ip| !ip.is_empty())
        })
        .filter(|_| matches!(power, Power::On | Power::Frozen))
        .map(|ip| format!("http://{ip}:{AGENT_PORT}"));
    let start = format!("{id} {}", state.started_at.unwrap_or_default());
    Machine {
        vm_id,
        id,
        power,
        start,
        address,
        image_id: found.image.unwrap_or_default(),
    }
}

fn power(state: &ContainerState) -> Power {
    match (state.running, state.paused) {
        (Some(true), Some(true)) => Power::Frozen,
        (Some(true), _) => Power::On,
        _ => Power::Off {
            exit_code: state.exit_code,
            out_of_memory: state.oom_killed.unwrap_or_default(),
        },
    }
}

/// What a list says; `None` for a container whose label is not a VM's id.
pub fn listed(found: ContainerSummary) -> Option<Machine> {
    let vm_id = found.labels?.get(VM_LABEL)?.parse().ok()?;
    let power = match found.state {
        Some(ContainerSummaryStateEnum::RUNNING) => Power::On,
        Some(ContainerSummaryStateEnum::PAUSED) => Power::Frozen,
        _ => Power::OFF,
    };
    Some(Machine {
        vm_id,
        start: String::new(),
        id: found.id.unwrap_or_default(),
        power,
        address: None,
        image_id: found.image_id.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_does_is_in_its_state() {
        let state = |running, paused| ContainerState {
            running: Some(running),
            paused: Some(paused),
            exit_code: Some(137),
            oom_killed: Some(true),
            ..Default::default()
        };
        assert_eq!(power(&state(true, false)), Power::On);
        assert_eq!(power(&state(true, true)), Power::Frozen);
        let ended = Power::Off {
            exit_code: Some(137),
            out_of_memory: true,
        };
        assert_eq!(power(&state(false, false)), ended);
    }
}
