//! The engine's events, as far as they are about VMs.

use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use ff_protocol::VmId;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};

use super::{DockerProvider, INSTANCE_LABEL, VM_LABEL, names};
use crate::compute::ComputeError;

/// What can happen to a container or a volume and changes what a VM is.
const ACTIONS: [&str; 6] = ["start", "die", "oom", "pause", "unpause", "destroy"];
const KINDS: [&str; 2] = ["container", "volume"];

impl DockerProvider {
    /// The VMs whose container or volume changes from now on.
    pub(super) async fn events(&self) -> Result<BoxStream<'static, VmId>, ComputeError> {
        let docker = self.engine.client().await?;
        self.engine.call("answer", docker.ping()).await?;
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let filters = [
            ("type".to_owned(), owned(&KINDS)),
            ("event".to_owned(), owned(&ACTIONS)),
        ];
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let options = EventsOptions {
            // The question is on its way only when the stream is first asked.
            since: now
                .ok()
                .map(|now| format!("{}.{:09}", now.as_secs(), now.subsec_nanos())),
            filters: Some(filters.into()),
            ..Default::default()
        };
        let instance_id = self.instance_id.clone();
        let events = docker
            .events(Some(options))
            .inspect_err(|error| tracing::warn!(%error, "the engine's events have ended"))
            .take_while(|event| std::future::ready(event.is_ok()))
            .filter_map(move |event| {
                let vm = event.ok().and_then(|event| vm_of(event, &instance_id));
                std::future::ready(vm)
            });
        Ok(events.boxed())
    }
}

/// The VM that an event is about. A volume's events carry no labels: that of another server's
/// home is told too.
fn vm_of(event: EventMessage, instance_id: &str) -> Option<VmId> {
    let actor = event.actor?;
    match event.typ? {
        EventMessageTypeEnum::CONTAINER => {
            let labels = actor.attributes?;
            let ours = labels.get(INSTANCE_LABEL)? == instance_id;
            labels.get(VM_LABEL).filter(|_| ours)?.parse().ok()
        }
        EventMessageTypeEnum::VOLUME => names::vm_of_home(&actor.id?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn event(typ: EventMessageTypeEnum, id: &str, labels: &[(&str, &str)]) -> EventMessage {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        EventMessage {
            typ: Some(typ),
            actor: Some(EventActor {
                id: Some(id.to_owned()),
                attributes: Some(labels.iter().map(owned).collect()),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_container_is_known_by_its_labels_and_a_home_by_its_name() {
        let vm = VmId::generate();
        let container = |labels: &[(&str, &str)]| {
            vm_of(event(EventMessageTypeEnum::CONTAINER, "abc", labels), "i-1")
        };
        let ours = [(INSTANCE_LABEL, "i-1"), (VM_LABEL, vm.as_str())];
        assert_eq!(container(&ours).as_ref(), Some(&vm));
        let foreign = [(INSTANCE_LABEL, "i-2"), (VM_LABEL, vm.as_str())];
        assert_eq!(container(&foreign), None);
        assert_eq!(container(&[]), None);
        let volume = |id: &str| vm_of(event(EventMessageTypeEnum::VOLUME, id, &[]), "i-1");
        assert_eq!(volume(&format!("ff-home-{vm}")), Some(vm));
        assert_eq!(volume("another"), None);
    }
}
