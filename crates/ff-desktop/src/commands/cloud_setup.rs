//! `ff cloud setup`.

use ff_protocol::vm::{Onboarding, Vm};

use crate::context::{Connection, Context};
use crate::output::{fields, interactive, say, wire_name};
use crate::tty::attach;
use crate::tty::input;
use crate::tty::shell;
use crate::{stop, vm};

/// Name of the terminal the logins are made in.
const TERMINAL: &str = "setup";

/// Gets the user's VM, and lets the user log in inside it until it is ready.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let cloud = context.cloud()?;
    let vm = stop::unless(context.stop(), ready_vm(context, &cloud)).await?;
    loop {
        let asking = async { Ok(cloud.client.onboarding(&vm.id).await?) };
        let onboarding = stop::unless(context.stop(), asking).await?;
        let by_hand = interactive() && !context.out.is_json();
        if onboarding.is_ready() || !by_hand {
            return context.out.result(&onboarding, || text(&vm, &onboarding));
        }
        say(text(&vm, &onboarding));
        say("Press Enter for a terminal in your VM; leave it with `exit`, or give up with Ctrl-C.");
        let enter = async { Ok(input::line().await) };
        if stop::unless(context.stop(), enter).await?.is_none() {
            return context.out.result(&onboarding, String::new);
        }
        log_in(context, &cloud, &vm, &onboarding).await?;
    }
}

async fn ready_vm(context: &Context, cloud: &Connection) -> anyhow::Result<Vm> {
    let step = context.progress.step("get your VM");
    let vm = cloud
        .client
        .create_vm(Some(&cloud.settings.user_id))
        .await?;
    step.done_with(format!("{} is {}", vm.id, wire_name(&vm.state)));
    Ok(vm)
}

async fn log_in(
    context: &Context,
    cloud: &Connection,
    vm: &Vm,
    onboarding: &Onboarding,
) -> anyhow::Result<()> {
    let opening = shell::in_vm(cloud.client.engine(), &vm.id, Some(TERMINAL));
    let opened = stop::unless(context.stop(), opening).await?;
    for line in vm::left_to_do(onboarding) {
        say(format!("[ff: {line}]"));
    }
    if let attach::Left::Exited(_) = attach::person(context, opened.line).await? {
        opened.place.forget(&opened.terminal).await;
    }
    say("");
    Ok(())
}

fn text(vm: &Vm, onboarding: &Onboarding) -> String {
    let identity = onboarding.git_identity.as_ref();
    let mut lines = vec![fields(&[
        ("vm", Some(vm.id.to_string())),
        ("state", Some(wire_name(&vm.state))),
        ("github", Some(vm::login(&onboarding.github))),
        ("claude", Some(vm::login(&onboarding.claude))),
        (
            "git identity",
            identity.map(|id| format!("{} <{}>", id.name, id.email)),
        ),
        ("next", onboarding.next_step.clone()),
    ])];
    let left = vm::left_to_do(onboarding);
    if left.is_empty() {
        lines.push("ready: ff send WORKSPACE".into());
    } else {
        lines.push("still to do, in `ff terminal --vm`:".into());
        lines.extend(left.into_iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}
