//! `ff cloud status`.

use ff_protocol::onboarding::Onboarding;
use ff_protocol::vm::Vm;
use serde::Serialize;

use crate::context::Context;
use crate::output::{fields, wire_name};
use crate::settings::Cloud;
use crate::vm;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(flatten)]
    cloud: Cloud,
    vm: Option<Vm>,
    /// Absent while the VM sleeps: asking would wake nothing and learn nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    onboarding: Option<Onboarding>,
}

/// Shows the server, the user's VM and its logins; wakes nothing.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let cloud = context.cloud()?;
    let vm = vm::find(&cloud).await?;
    let onboarding = match &vm {
        Some(vm) => cloud.client.onboarding(&vm.id).await.ok(),
        None => None,
    };
    let status = Status {
        cloud: cloud.settings,
        vm,
        onboarding,
    };
    context.out.result(&status, || text(&status))
}

fn text(status: &Status) -> String {
    let vm = status.vm.as_ref();
    let onboarding = status.onboarding.as_ref();
    let next = match (vm, onboarding) {
        (None, _) => Some("ff cloud setup".to_owned()),
        (Some(_), Some(onboarding)) if onboarding.next_step.is_some() => {
            Some("ff cloud setup".into())
        }
        _ => None,
    };
    fields(&[
        ("cloud", Some(status.cloud.url.clone())),
        ("user", Some(status.cloud.user_id.to_string())),
        (
            "vm",
            Some(vm.map_or_else(|| "none".into(), |vm| vm.id.to_string())),
        ),
        ("state", vm.map(|vm| wire_name(&vm.state))),
        ("reason", vm.and_then(|vm| vm.reason.clone())),
        ("github", onboarding.map(|o| vm::login(&o.github))),
        ("claude", onboarding.map(|o| vm::login(&o.claude))),
        ("next", next),
    ])
}
