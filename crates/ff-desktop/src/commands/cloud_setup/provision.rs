//! Getting the VM.

use std::time::Duration;

use ff_protocol::ErrorCode;
use ff_protocol::onboarding::Onboarding;
use ff_protocol::vm::Vm;

use crate::context::{Connection, Context};
use crate::output::wire_name;
use crate::vm;

/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// How often a server that has waited as long as it does is asked again.
const TIMES: u32 = 5;

/// The user's VM, made now if there is none.
///
/// # Errors
/// The server refuses, or the VM does not come up.
pub async fn ready_vm(context: &Context, cloud: &Connection) -> anyhow::Result<Vm> {
    let step = context.progress.step("get your VM");
    let show_state = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(Some(vm)) = vm::find(cloud).await {
                step.update(wire_name(&vm.state));
            }
        }
    };
    let vm = tokio::select! {
        vm = made(cloud) => vm?,
        () = show_state => return Err(anyhow::anyhow!("nobody looks for ever")),
    };
    step.done_with(format!("{} is {}", vm.id, wire_name(&vm.state)));
    Ok(vm)
}

async fn made(cloud: &Connection) -> anyhow::Result<Vm> {
    let user = Some(&cloud.settings.user_id);
    for _ in 1..TIMES {
        match cloud.client.create_vm(user).await {
            // It goes on being made: the same call waits for the same VM.
            Err(error) if error.code() == Some(ErrorCode::Timeout) => {}
            made => return Ok(made?),
        }
    }
    Ok(cloud.client.create_vm(user).await?)
}

/// What is done in the VM, which is woken for it.
///
/// # Errors
/// It cannot be woken or asked.
pub async fn look(context: &Context, cloud: &Connection, vm: &Vm) -> anyhow::Result<Onboarding> {
    let step = context.progress.step("look at its logins");
    let seen = cloud.client.onboarding_waking(&vm.id).await?;
    step.done();
    Ok(seen)
}
