//! Freezing, thawing and stopping a container. What the engine answers to a request that changes
//! nothing differs between its versions, so the container's state is asked instead.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::StopContainerOptions;
use ff_protocol::VmId;

use super::engine::{CallError, is_status, unless};
use super::{DockerProvider, MISSING, container_name};
use crate::compute::ComputeError;

impl DockerProvider {
    /// Freezes the container unless it is frozen.
    pub(super) async fn pause(&self, vm: &VmId) -> Result<(), ComputeError> {
        let name = container_name(vm);
        let docker = self.engine.client().await?;
        let question = docker.pause_container(&name);
        let answer = self.engine.call("freeze a container", question).await;
        self.accept(vm, answer, is_paused).await
    }

    /// Thaws the container if it is frozen.
    pub(super) async fn unpause(&self, vm: &VmId) -> Result<(), ComputeError> {
        let name = container_name(vm);
        let docker = self.engine.client().await?;
        let question = docker.unpause_container(&name);
        let answer = self.engine.call("thaw a container", question).await;
        self.accept(vm, answer, |found| !is_paused(found)).await
    }

    /// Takes a refusal for success if the container is already as it should be.
    async fn accept(
        &self,
        vm: &VmId,
        answer: Result<(), CallError>,
        done: impl Fn(&ContainerInspectResponse) -> bool,
    ) -> Result<(), ComputeError> {
        let Err(error) = answer else { return Ok(()) };
        if is_status(&error, MISSING) {
            return Err(ComputeError::MachineMissing(vm.clone()));
        }
        let refused = ComputeError::from(error);
        if !matches!(refused, ComputeError::Failed { .. }) {
            return Err(refused);
        }
        match self.find(vm).await? {
            None => Err(ComputeError::MachineMissing(vm.clone())),
            Some(found) if done(&found) => Ok(()),
            Some(_) => Err(refused),
        }
    }

    /// Stops the container, also one that is frozen: it is thawed, or no program of it would see
    /// the signal.
    pub(super) async fn halt(&self, vm: &VmId, grace: Duration) -> Result<(), ComputeError> {
        let Some(found) = self.find(vm).await? else {
            return Ok(());
        };
        if is_paused(&found) {
            self.unpause(vm).await?;
        }
        let name = container_name(vm);
        let options = StopContainerOptions {
            t: Some(i32::try_from(grace.as_secs()).unwrap_or(i32::MAX)),
            ..Default::default()
        };
        let docker = self.engine.client().await?;
        let question = docker.stop_container(&name, Some(options));
        let stopped = self.engine.call_within(grace, "stop a container", question);
        unless(stopped.await, MISSING)
    }
}

/// Whether an inspection says that the container is frozen.
pub fn is_paused(found: &ContainerInspectResponse) -> bool {
    let state = found.state.as_ref();
    state.is_some_and(|state| state.paused == Some(true))
}
