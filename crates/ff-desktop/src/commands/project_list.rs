//! `ff project list`.

use crate::context::Context;
use crate::output::table;

/// Lists the projects of this machine.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let projects = context.store().await?.projects().await?;
    if projects.is_empty() {
        context
            .out
            .say("no projects yet; add one with `ff project add PATH`");
    }
    context.out.result(&projects, || {
        if projects.is_empty() {
            return String::new();
        }
        let row = |p: &ff_protocol::project::Project| {
            vec![
                p.id.to_string(),
                p.name.clone(),
                p.default_branch.clone(),
                p.repo_path.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = projects.iter().map(row).collect();
        table(&["ID", "NAME", "DEFAULT BRANCH", "PATH"], &rows)
    })
}
