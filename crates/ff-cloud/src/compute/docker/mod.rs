//! VMs as containers of a Docker engine. A VM is the container `ff-vm-<id>` on the volume
//! `ff-home-<id>`; both carry labels with the server's instance id and the VM's id.

use std::time::Duration;

use bollard::models::{
    ContainerCreateResponse, ContainerInspectResponse, Volume, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListContainersOptions, RemoveContainerOptions,
    RemoveVolumeOptions, StartContainerOptions,
};
use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use futures_util::stream::BoxStream;

use self::engine::{CallError, Engine, is_status, unless};
use self::tokens::Tokens;
use super::{Answer, Belonging, ComputeError, Finding, Machine, Provider, Spec};
use crate::agent::AgentToken;
use crate::config::{Config, VmSettings};
use crate::identity::Identity;

mod archive;
mod authorities;
mod belongings;
mod engine;
mod events;
mod findings;
mod images;
mod limits;
mod logs;
mod machine;
mod names;
mod power;
mod tokens;

pub use names::{INSTANCE_LABEL, VM_LABEL, container_name, home_name};

/// How messages name it.
const PROVIDER: &str = "docker";
const CONFLICT: u16 = 409;
const MISSING: u16 = 404;

/// The Docker provider. It makes no connection until it is asked something, so a server starts
/// without an engine and finds it when it comes.
#[derive(Debug)]
pub struct DockerProvider {
    engine: Engine,
    tokens: Tokens,
    instance_id: String,
    /// Name of the image, as the operator set it.
    image: String,
    settings: VmSettings,
    /// PEM text of the operator's certificate authorities.
    authorities: String,
}

impl DockerProvider {
    /// A provider with the server's settings, for the engine at `DOCKER_HOST` or the local socket.
    ///
    /// # Errors
    /// A file of `--vm-extra-ca` cannot be read or holds no certificate.
    pub fn new(config: &Config, identity: &Identity) -> Result<Self, ComputeError> {
        Self::at(None, config, identity)
    }

    /// As [`DockerProvider::new`], for the engine at this address (`unix://…` or `tcp://…`).
    ///
    /// # Errors
    /// As [`DockerProvider::new`].
    pub fn at(
        host: Option<String>,
        config: &Config,
        identity: &Identity,
    ) -> Result<Self, ComputeError> {
        Ok(Self {
            engine: Engine::new(host),
            tokens: Tokens::default(),
            instance_id: identity.instance_id().to_owned(),
            authorities: authorities::read(&config.vm.extra_ca)?,
            image: config.image.clone(),
            settings: config.vm.clone(),
        })
    }

    async fn find(&self, vm: &VmId) -> Result<Option<ContainerInspectResponse>, ComputeError> {
        let name = container_name(vm);
        let docker = self.engine.client().await?;
        let question = docker.inspect_container(&name, None::<InspectContainerOptions>);
        let found = match self.engine.call("inspect a container", question).await {
            Ok(found) => found,
            Err(error) if is_status(&error, MISSING) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if machine::belongs_to(&found, &self.instance_id, vm) {
            return Ok(Some(found));
        }
        Err(foreign("use a container", &name))
    }

    /// Whether the VM's home is there.
    async fn find_home(&self, vm: &VmId) -> Result<bool, ComputeError> {
        let name = home_name(vm);
        let docker = self.engine.client().await?;
        let question = docker.inspect_volume(&name);
        match self.engine.call("inspect a volume", question).await {
            Ok(found) => self.own_home(vm, &found).map(|()| true),
            Err(error) if is_status(&error, MISSING) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn own_home(&self, vm: &VmId, found: &Volume) -> Result<(), ComputeError> {
        if names::are_labels_of(&found.labels, &self.instance_id, vm) {
            return Ok(());
        }
        Err(foreign("use a volume", &found.name))
    }

    async fn create_container(
        &self,
        vm: &VmId,
        spec: Spec<'_>,
    ) -> Result<ContainerCreateResponse, CallError> {
        let options = CreateContainerOptions {
            name: Some(container_name(vm)),
            ..Default::default()
        };
        let body = machine::body(vm, spec, &self.instance_id, &self.settings);
        let docker = self.engine.client().await?;
        let question = docker.create_container(Some(options), body);
        self.engine.call("create a container", question).await
    }

    async fn make(&self, vm: &VmId, spec: Spec<'_>) -> Result<String, ComputeError> {
        let mut made = self.create_container(vm, spec).await;
        if made.as_ref().is_err_and(|error| is_status(error, CONFLICT)) {
            // Left over from an attempt that was cut off, perhaps before it was complete.
            self.remove(vm).await?;
            made = self.create_container(vm, spec).await;
        }
        let made = match made {
            Ok(made) => made,
            Err(error) if is_status(&error, MISSING) => {
                return Err(ComputeError::ImageMissing(spec.image.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        if !self.authorities.is_empty() {
            authorities::add(&self.engine, &made.id, &self.authorities).await?;
        }
        Ok(made.id)
    }
}

fn foreign(action: &'static str, name: &str) -> ComputeError {
    ComputeError::Failed {
        provider: PROVIDER,
        action,
        message: format!("{name} is there and does not belong to this server"),
    }
}

impl Provider for DockerProvider {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let docker = self.engine.client().await?;
            self.engine.call("answer", docker.ping()).await?;
            Ok(())
        })
    }

    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(async move {
            if self.find_home(vm).await? {
                return Ok(false);
            }
            let request = VolumeCreateRequest {
                name: Some(home_name(vm)),
                labels: Some(names::labels(&self.instance_id, vm)),
                ..Default::default()
            };
            let docker = self.engine.client().await?;
            let question = docker.create_volume(request);
            // The engine gives the one there is when somebody was faster.
            let made = self.engine.call("create a volume", question).await?;
            self.own_home(vm, &made).map(|()| true)
        })
    }

    fn home_exists<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool> {
        Box::pin(self.find_home(vm))
    }

    fn remove_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            if !self.find_home(vm).await? {
                return Ok(());
            }
            let name = home_name(vm);
            let docker = self.engine.client().await?;
            let question = docker.remove_volume(&name, None::<RemoveVolumeOptions>);
            unless(self.engine.call("remove a volume", question).await, MISSING)
        })
    }

    fn create<'a>(&'a self, vm: &'a VmId, spec: Spec<'a>) -> Answer<'a, String> {
        Box::pin(self.make(vm, spec))
    }

    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()> {
        Box::pin(self.tokens.hold(&self.engine, vm, token))
    }

    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            let name = container_name(vm);
            let token = self.tokens.take(vm);
            let docker = self.engine.client().await?;
            let question = docker.start_container(&name, None::<StartContainerOptions>);
            match self.engine.call("start a container", question).await {
                Err(error) if is_status(&error, MISSING) => {
                    return Err(ComputeError::MachineMissing(vm.clone()));
                }
                started => started?,
            }
            match token {
                Some(token) => token.give().await,
                None => Ok(()),
            }
        })
    }

    fn stop<'a>(&'a self, vm: &'a VmId, grace: Duration) -> Answer<'a, ()> {
        Box::pin(self.halt(vm, grace))
    }

    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.find(vm).await?.is_none() {
                return Ok(());
            }
            let name = container_name(vm);
            let options = RemoveContainerOptions {
                force: true,
                ..Default::default()
            };
            let docker = self.engine.client().await?;
            let question = docker.remove_container(&name, Some(options));
            unless(
                self.engine.call("remove a container", question).await,
                MISSING,
            )
        })
    }

    fn can_freeze(&self) -> bool {
        true
    }

    fn freeze<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(self.pause(vm))
    }

    fn thaw<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        Box::pin(self.unpause(vm))
    }

    fn set_limits<'a>(&'a self, vm: &'a VmId, limits: Limits) -> Answer<'a, Applied> {
        Box::pin(self.update(vm, limits))
    }

    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.image_id(name))
    }

    fn keep_images<'a>(&'a self, ids: &'a [String]) -> Answer<'a, ()> {
        Box::pin(self.keep(ids))
    }

    fn logs<'a>(&'a self, vm: &'a VmId, lines: usize) -> Answer<'a, Vec<String>> {
        Box::pin(self.tail(vm, lines))
    }

    fn watch(&self) -> Answer<'_, BoxStream<'static, VmId>> {
        Box::pin(self.events())
    }

    fn home_name(&self, vm: &VmId) -> String {
        home_name(vm)
    }

    fn belongings(&self) -> Answer<'_, Vec<Belonging>> {
        Box::pin(self.labelled())
    }

    fn remove_network<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.drop_network(id))
    }

    fn findings(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(self.examine())
    }

    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>> {
        Box::pin(async move {
            let found = self.find(vm).await?;
            Ok(found.map(|found| machine::machine(vm.clone(), found)))
        })
    }

    fn list(&self) -> Answer<'_, Vec<Machine>> {
        Box::pin(async move {
            let label = format!("{INSTANCE_LABEL}={}", self.instance_id);
            let options = ListContainersOptions {
                all: true,
                filters: Some([("label".to_owned(), vec![label])].into()),
                ..Default::default()
            };
            let docker = self.engine.client().await?;
            let question = docker.list_containers(Some(options));
            let found = self.engine.call("list containers", question).await?;
            Ok(found.into_iter().filter_map(machine::listed).collect())
        })
    }
}
