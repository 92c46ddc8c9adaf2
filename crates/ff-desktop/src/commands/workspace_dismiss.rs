//! `ff workspace dismiss WORKSPACE`.

use crate::context::Context;
use crate::output::fields;
use crate::session::host::of_workspace;

/// Forgets the warning that the making of a workspace ended with.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, text).await?;
    let workspace = host.dismiss(&known.id).await?;
    context.out.result(&workspace, || {
        fields(&[("workspace", Some(workspace.name.clone()))])
    })
}
