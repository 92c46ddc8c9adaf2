//! `ff project set PROJECT`.

use ff_protocol::project::{StartupScript, UpdateProject};

use super::workspace_new::named;
use crate::cli::Startup;
use crate::context::Context;
use crate::output::fields;
use crate::session::host::Host;

/// Changes what runs in the new workspaces of a project.
pub async fn run(
    context: &Context,
    text: &str,
    startup: Startup,
    none: bool,
) -> anyhow::Result<()> {
    let host = Host::of_this_machine(context).await?;
    let projects = host.projects().await?;
    let project = named(text, &projects)?;
    let before = match none {
        true => StartupScript {
            timeout_secs: project.startup.timeout_secs,
            ..StartupScript::default()
        },
        false => project.startup.clone(),
    };
    let update = UpdateProject {
        startup: Some(startup.over(before)),
        is_archived: None,
    };
    let project = host.update_project(project, &update).await?;
    context.out.result(&project, || {
        let startup = &project.startup;
        fields(&[
            ("project", Some(project.name.clone())),
            ("start-up command", startup.command.clone()),
            ("start-up script", startup.path.clone()),
            (
                "seconds a script gets",
                Some(startup.timeout_secs.to_string()),
            ),
        ])
    })
}
