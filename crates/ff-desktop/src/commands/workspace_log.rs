//! `ff workspace log WORKSPACE`.

use crate::clean::clean;
use crate::context::Context;
use crate::session::host::of_workspace;

/// Shows what the scripts printed that made a workspace ready.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, text).await?;
    let report = host.init(&known.id).await?;
    if report.output.is_none() {
        context.out.say("no script ran when it was made");
    }
    context.out.result(&report, || {
        let output = report.output.as_deref().unwrap_or_default();
        let warning = report.workspace.init.error_message.as_deref();
        let warning = warning.map(|text| format!("\nwarning: {text}"));
        format!("{}{}", clean(output), clean(&warning.unwrap_or_default()))
    })
}
