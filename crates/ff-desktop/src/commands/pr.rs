//! `ff pr show|sync|attach WORKSPACE`.

use ff_protocol::pull_request::PullRequestStatus;

use crate::cli::PrCommand;
use crate::context::Context;
use crate::output::fields;
use crate::session::host;
use crate::view::{pull_request, ratchet};

/// Shows a pull request, after it was read or attached where that is asked for.
pub async fn run(context: &Context, command: PrCommand) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, command.workspace()).await?;
    let status = match command {
        PrCommand::Show(_) => host.pull_request(&known.id).await?,
        PrCommand::Sync(_) => host.sync_pull_request(&known.id).await?,
        PrCommand::Attach(args) => {
            host.attach_pull_request(&known.id, args.pull_request)
                .await?
        }
    };
    show(context, known.name(), &status)
}

/// Prints what is known of a workspace's pull request and ratchet.
pub fn show(context: &Context, name: &str, status: &PullRequestStatus) -> anyhow::Result<()> {
    let pr = &status.pr;
    let known = pr.url.is_some() || pr.number.is_some();
    let time = |at: Option<ff_protocol::Timestamp>| {
        at.map(|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    };
    context.out.result(status, || {
        fields(&[
            ("workspace", Some(name.to_owned())),
            ("branch", status.branch_name.clone()),
            (
                "pull request",
                Some(match known {
                    true => pull_request(pr),
                    false => "none known".to_owned(),
                }),
            ),
            ("read", time(pr.synced_at)),
            (
                "looked for next",
                time(pr.discovery_next_check_at).filter(|_| !known),
            ),
            (
                "ratchet",
                Some(ratchet(&status.ratchet, status.ratchet_state)),
            ),
        ])
    })
}
