//! What is said in the end.

use std::process::ExitCode;

use ff_protocol::VmId;
use ff_protocol::onboarding::Onboarding;
use ff_protocol::vm::{Vm, VmState};
use serde::Serialize;

use super::identity;
use crate::context::Context;
use crate::failure::Exit;
use crate::output::{fields, wire_name};
use crate::vm;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    vm_id: VmId,
    state: VmState,
    ready: bool,
    #[serde(flatten)]
    seen: Onboarding,
}

/// Prints how far the VM is; the exit code says whether it is ready.
///
/// # Errors
/// stdout cannot be written to.
pub fn tell(context: &Context, vm: Vm, seen: Onboarding) -> anyhow::Result<ExitCode> {
    let ready = seen.is_ready();
    let report = Report {
        vm_id: vm.id,
        state: vm.state,
        ready,
        seen,
    };
    context.out.result(&report, || text(&report))?;
    Ok(match ready {
        true => ExitCode::SUCCESS,
        false => Exit::Waiting.into(),
    })
}

fn text(report: &Report) -> String {
    let seen = &report.seen;
    let tools = [
        ("claude", &seen.tools.claude),
        ("gh", &seen.tools.gh),
        ("git", &seen.tools.git),
        ("node", &seen.tools.node),
    ];
    let tools = tools.map(|(name, version)| {
        let version = version.as_deref().unwrap_or("does not run");
        format!("{name} {version}")
    });
    let who = seen.git_identity.as_ref().map(identity::written);
    let missing = || format!("none ({} missing)", seen.git_identity_missing.join(", "));
    let facts = fields(&[
        ("vm", Some(report.vm_id.to_string())),
        ("state", Some(wire_name(&report.state))),
        ("tools", Some(tools.join(", "))),
        ("github", Some(vm::login(&seen.github))),
        ("claude", Some(vm::login(&seen.claude))),
        ("git identity", Some(who.unwrap_or_else(missing))),
        ("next", seen.next_step.clone()),
    ]);
    let verdict = match report.ready {
        true => "your VM is ready: `ff send WORKSPACE` moves a workspace there",
        false => "your VM is not ready yet: `ff cloud setup` goes on from here",
    };
    format!("{facts}\n{verdict}")
}
