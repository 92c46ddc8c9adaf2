//! What carries this server's labels and is no container.

use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions, ListVolumesOptions};
use std::collections::HashMap;

use super::engine::{is_status, unless};
use super::{DockerProvider, INSTANCE_LABEL, MISSING, VM_LABEL, foreign};
use crate::compute::{Belonging, BelongingKind, ComputeError};

impl DockerProvider {
    /// The volumes and networks with this server's label.
    pub(super) async fn labelled(&self) -> Result<Vec<Belonging>, ComputeError> {
        let label = format!("{INSTANCE_LABEL}={}", self.instance_id);
        let filters = Some(HashMap::from([("label".to_owned(), vec![label])]));
        let docker = self.engine.client().await?;
        let options = ListVolumesOptions {
            filters: filters.clone(),
        };
        let question = docker.list_volumes(Some(options));
        let volumes = self.engine.call("list volumes", question).await?;
        let question = docker.list_networks(Some(ListNetworksOptions { filters }));
        let networks = self.engine.call("list networks", question).await?;
        let volumes = volumes.volumes.unwrap_or_default().into_iter();
        let homes = volumes.map(|volume| Belonging {
            kind: BelongingKind::Home,
            vm_id: volume.labels.get(VM_LABEL).and_then(|id| id.parse().ok()),
            id: volume.name,
        });
        let networks = networks.into_iter().filter_map(|network| {
            let labels = network.labels.unwrap_or_default();
            Some(Belonging {
                kind: BelongingKind::Network,
                vm_id: labels.get(VM_LABEL).and_then(|id| id.parse().ok()),
                id: network.id?,
            })
        });
        Ok(homes.chain(networks).collect())
    }

    /// Removes a network that carries this server's label.
    pub(super) async fn drop_network(&self, id: &str) -> Result<(), ComputeError> {
        let docker = self.engine.client().await?;
        let question = docker.inspect_network(id, None::<InspectNetworkOptions>);
        let labels = match self.engine.call("inspect a network", question).await {
            Ok(found) => found.labels.unwrap_or_default(),
            Err(error) if is_status(&error, MISSING) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if labels.get(INSTANCE_LABEL) != Some(&self.instance_id) {
            return Err(foreign("remove a network", id));
        }
        let question = docker.remove_network(id);
        unless(
            self.engine.call("remove a network", question).await,
            MISSING,
        )
    }
}
