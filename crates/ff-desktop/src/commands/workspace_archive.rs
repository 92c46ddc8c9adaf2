//! `ff workspace archive WORKSPACE`.

use ff_protocol::workspace::ArchiveWorkspace;

use crate::cli::ArchiveArgs;
use crate::context::Context;
use crate::output::{fields, wire_name};
use crate::session::host::of_workspace;

/// Puts a workspace away.
pub async fn run(context: &Context, args: &ArchiveArgs) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, &args.workspace.workspace).await?;
    let step = context
        .progress
        .step(format!("archive workspace {}", known.name()));
    let how = ArchiveWorkspace {
        remove_git_index_lock: args.remove_git_index_lock,
    };
    let workspace = host.archive(&known.id, how).await?;
    step.done();
    context.out.result(&workspace, || {
        fields(&[
            ("workspace", Some(workspace.name.clone())),
            ("status", Some(wire_name(&workspace.status))),
            ("branch, which stays", workspace.branch_name.clone()),
        ])
    })
}
