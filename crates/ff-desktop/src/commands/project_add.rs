//! `ff project add PATH`.

use std::path::Path;

use crate::context::Context;
use crate::output::fields;

/// Makes a repository known; the same path again gives the same project.
pub async fn run(context: &Context, path: &Path) -> anyhow::Result<()> {
    let project = context.core().await?.project_add(path).await?;
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
