//! `ff project add PATH`.

use std::path::Path;

use anyhow::Context as _;
use ff_protocol::project::{CreateProject, StartupScript};

use crate::cli::Startup;
use crate::context::Context;
use crate::output::fields;
use crate::session::host::Host;

/// Makes a repository known; the same path again gives the same project.
pub async fn run(context: &Context, path: &Path, startup: Startup) -> anyhow::Result<()> {
    let path = std::path::absolute(path).context("the current directory is gone")?;
    let create = CreateProject {
        repo_path: path.to_string_lossy().into_owned(),
        startup: startup.over(StartupScript::default()),
    };
    let host = Host::of_this_machine(context).await?;
    let project = host.create_project(&create).await?;
    context.out.result(&project, || {
        fields(&[
            ("project", Some(project.name.clone())),
            ("id", Some(project.id.to_string())),
            ("path", Some(project.repo_path.clone())),
            ("default branch", Some(project.default_branch.clone())),
            ("next", Some("ff workspace new NAME".into())),
        ])
    })
}

impl Startup {
    /// What is to run from now on, given what ran so far.
    pub fn over(self, before: StartupScript) -> StartupScript {
        let (command, path) = match (self.startup_command, self.startup_script) {
            (None, None) => (before.command, before.path),
            (command, path) => (command, path),
        };
        StartupScript {
            command,
            path,
            timeout_secs: self.startup_timeout.unwrap_or(before.timeout_secs),
        }
    }
}
