//! `ff workspace rename WORKSPACE NAME`.

use crate::cli::RenameArgs;
use crate::context::Context;
use crate::output::fields;
use crate::session::host::of_workspace;

/// Gives a workspace another name.
pub async fn run(context: &Context, args: &RenameArgs) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, &args.workspace.workspace).await?;
    let workspace = host.rename(&known.id, &args.name).await?;
    context.out.result(&workspace, || {
        fields(&[
            ("workspace", Some(workspace.name.clone())),
            ("branch", workspace.branch_name.clone()),
        ])
    })
}
