//! A provider over the real engine, and its machines as the kernel shows them.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use ff_cloud::compute::docker::DockerProvider;
use ff_cloud::compute::{Machine, Provider, Spec};
use ff_cloud::identity::Identity;
use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use serde_json::Value;

use super::world::{inspect, remove_labelled};

pub const MIB: u64 = 1 << 20;

pub const LIMITS: Limits = Limits {
    cpus: 0.5,
    memory: 512 * MIB,
    pids: 200,
};

/// A provider with an instance id of its own; what it made goes with it.
pub struct Host {
    pub provider: DockerProvider,
    identity: Identity,
    pub instance: String,
    pub image: String,
    _dir: tempfile::TempDir,
}

impl Drop for Host {
    fn drop(&mut self) {
        remove_labelled(&self.instance);
    }
}

impl Host {
    pub fn new() -> Self {
        let image = std::env::var("FF_VM_IMAGE").unwrap_or("ff-vm:latest".to_owned());
        Self::at(None, &image)
    }

    pub fn at(host: Option<&str>, image: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(dir.path()).unwrap();
        let config = super::config(dir.path(), &["--image", image]);
        let provider = DockerProvider::at(host.map(str::to_owned), &config, &identity).unwrap();
        Self {
            provider,
            instance: identity.instance_id().to_owned(),
            image: image.to_owned(),
            identity,
            _dir: dir,
        }
    }

    /// A machine that was never started.
    pub async fn made(&self, image: &str) -> Vm {
        let id = VmId::generate();
        self.provider.ensure_home(&id).await.unwrap();
        let spec = Spec {
            image,
            limits: LIMITS,
        };
        self.provider.create(&id, spec).await.unwrap();
        Vm {
            container: format!("ff-vm-{id}"),
            id,
        }
    }

    /// A machine with an agent that runs.
    pub async fn running(&self) -> Vm {
        let vm = self.made(&self.image).await;
        self.start(&vm).await;
        vm
    }

    pub async fn start(&self, vm: &Vm) {
        let token = self.identity.agent_token(&vm.id, 1);
        self.provider.write_token(&vm.id, &token).await.unwrap();
        self.provider.start(&vm.id).await.unwrap();
        let address = self.machine(vm).await.address.unwrap();
        soon("the agent", async {
            while reqwest::get(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    pub async fn machine(&self, vm: &Vm) -> Machine {
        self.provider.inspect(&vm.id).await.unwrap().unwrap()
    }

    pub async fn set(&self, vm: &Vm, limits: Limits) -> Applied {
        self.provider.set_limits(&vm.id, limits).await.unwrap()
    }
}

/// A VM's machine, as this host has it.
pub struct Vm {
    pub id: VmId,
    pub container: String,
}

impl Vm {
    pub fn found(&self) -> Value {
        inspect(&self.container)
    }

    /// What the kernel says in the file of this controller, by its name of cgroup v1 and of v2.
    fn cgroup(&self, controller: &str, old: &str, new: &str) -> String {
        let pid = self.found()["State"]["Pid"].as_u64().unwrap();
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let of = |wanted: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (names, path) = rest.split_once(':')?;
                names
                    .split(',')
                    .any(|name| name == wanted)
                    .then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let root = PathBuf::from("/sys/fs/cgroup");
        let path = match of(controller) {
            Some(path) => root.join(controller).join(path).join(old),
            None => root.join(of("").unwrap()).join(new),
        };
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    pub fn is_frozen(&self) -> bool {
        let state = self.cgroup("freezer", "freezer.state", "cgroup.freeze");
        let kernel = matches!(state.as_str(), "FROZEN" | "1");
        assert_eq!(self.found()["State"]["Paused"], kernel, "{state}");
        kernel
    }

    pub fn limits(&self) -> Limits {
        let memory = self.cgroup("memory", "memory.limit_in_bytes", "memory.max");
        let pids = self.cgroup("pids", "pids.max", "pids.max");
        let quota = self.cgroup("cpu", "cpu.cfs_quota_us", "cpu.max");
        let quota: f64 = quota.split(' ').next().unwrap().parse().unwrap();
        Limits {
            cpus: quota / 100_000.0,
            memory: memory.parse().unwrap(),
            pids: pids.parse().unwrap(),
        }
    }
}

/// Waits for something that has to happen soon.
pub async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("{what} never happened"))
}
