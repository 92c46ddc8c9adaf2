//! `ff workspace list`.

use ff_core::workspace::standing;
use ff_protocol::workspace::{Location, Owner, Workspace};

use crate::context::Context;
use crate::find;
use crate::moving::recovery;
use crate::output::{table, wire_name};
use crate::view::WorkspaceView;

/// Lists the workspaces of this machine and of the cloud.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    recovery::recover(context, None).await?;
    let all = find::workspaces(context).await?;
    let here = all.iter().filter(|it| it.location() == Location::Desktop);
    let here: Vec<Workspace> = here.filter_map(|it| it.local.clone()).collect();
    let mut reasons = standing::reasons(context.store().await?, &here).await?;
    let me = Owner::Desktop(context.store().await?.installation_id().await?);
    let view = |known| {
        let view = WorkspaceView::of(known).seen_by(&me);
        let reason = reasons.remove(&view.id);
        view.standing(reason)
    };
    let views: Vec<WorkspaceView> = all.iter().map(view).collect();
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
            vec![
                view.id.to_string(),
                view.name.clone(),
                view.place(),
                view.status.as_ref().map(wire_name).unwrap_or_default(),
                view.stands(),
                view.branch_name.clone().unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        let header = ["ID", "NAME", "LOCATION", "STATUS", "STANDS", "BRANCH"];
        table(&header, &rows)
    })
}
