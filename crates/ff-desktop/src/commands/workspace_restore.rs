//! `ff workspace restore WORKSPACE`.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find;
use crate::output::fields;

/// Makes the copy of a workspace that stayed here a workspace of its own.
pub async fn run(context: &Context, text: &str) -> anyhow::Result<()> {
    let known = find::workspace(context, text).await?;
    if known.local.is_none() {
        let text = format!("workspace {} was never on this machine", known.name());
        return Err(Failure::new(Exit::Refused, text)
            .next(format!("ff pull {}", known.id))
            .into());
    }
    let restored = context.core().await?.workspace_restore(&known.id).await?;
    context.out.result(&restored, || {
        fields(&[
            ("workspace", Some(restored.name.clone())),
            ("id", Some(restored.id.to_string())),
            ("branch", restored.branch_name.clone()),
            ("path", restored.worktree_path.clone()),
        ])
    })
}
