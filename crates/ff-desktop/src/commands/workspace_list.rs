//! `ff workspace list`.

use crate::context::Context;
use crate::find;
use crate::moving::recovery;
use crate::output::{table, wire_name};
use crate::view::WorkspaceView;

/// Lists the workspaces of this machine and of the cloud.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    recovery::recover(context, None).await?;
    let all = find::workspaces(context).await?;
    let views: Vec<WorkspaceView> = all.iter().map(WorkspaceView::of).collect();
    if views.is_empty() {
        context
            .out
            .say("no workspaces yet; make one with `ff workspace new NAME`");
    }
    context.out.result(&views, || {
        if views.is_empty() {
            return String::new();
        }
        let row = |view: &WorkspaceView| {
            let moving = if view.moving { " (moving)" } else { "" };
            vec![
                view.id.to_string(),
                view.name.clone(),
                format!("{}{moving}", wire_name(&view.location)),
                view.branch_name.clone().unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table(&["ID", "NAME", "LOCATION", "BRANCH"], &rows)
    })
}
