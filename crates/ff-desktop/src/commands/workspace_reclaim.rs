//! `ff workspace reclaim WORKSPACE`.

use std::io::BufRead;

use ff_core::Core;
use ff_protocol::ownership::Reclaim;
use ff_protocol::workspace::Owner;

use crate::cli::ReclaimArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{self, Known};
use crate::locks;
use crate::moving::contact;
use crate::moving::recovery::is_unknown;
use crate::output::interactive;
use crate::view::WorkspaceView;

/// Takes a workspace from a side that is gone.
pub async fn run(context: &Context, args: &ReclaimArgs) -> anyhow::Result<()> {
    let known = find::workspace(context, &args.workspace.workspace).await?;
    let core = context.core().await?;
    let Some(_lock) = locks::try_take(context.data_dir(), known.id.as_str())? else {
        let text = format!("another ff is moving workspace {} right now", known.name());
        return Err(Failure::new(Exit::Refused, text).into());
    };
    let to = match args.cloud {
        true => Owner::Cloud,
        false => core.owner().clone(),
    };
    let is_moving = known
        .local
        .as_ref()
        .is_some_and(|it| it.handoff_id.is_some());
    // A move that nobody can end any more is given up.
    let given_up = args.offline && is_moving;
    if known.owner().0 == to && !given_up {
        let text = format!("{to} owns workspace {} already", known.name());
        return Err(Failure::new(Exit::Refused, text)
            .next(format!("ff workspace show {}", known.id))
            .into());
    }
    if !args.yes {
        sure(context, &known)?;
    }
    match (args.cloud, args.offline) {
        (true, _) => for_cloud(context, &known).await?,
        (false, true) => drop(
            core.workspace_reclaim(&known.id, epoch(core, &known).await?)
                .await?,
        ),
        (false, false) => for_desktop(context, core, &known, to).await?,
    }
    let known = find::workspace(context, known.id.as_str()).await?;
    let view = WorkspaceView::of(&known);
    context.out.result(&view, || view.text())
}

/// An epoch above all that this machine and the cloud know of.
async fn epoch(core: &Core, known: &Known) -> anyhow::Result<u64> {
    let here = core.reclaimable(&known.id).await?;
    Ok(here.max(known.owner().1 + 1))
}

/// The server first: from then on the other side is fenced. Should this process end in between,
/// the next contact goes on.
async fn for_desktop(
    context: &Context,
    core: &Core,
    known: &Known,
    owner: Owner,
) -> anyhow::Result<()> {
    let epoch = epoch(core, known).await?;
    if let Some(cloud) = context.cloud_if_connected()? {
        let reclaim = Reclaim { owner, epoch };
        match cloud.client.reclaim(&known.id, &reclaim).await {
            // It has forgotten it, and hears of it when it is sent again.
            Err(error) if is_unknown(&error) => {}
            Err(error) if error.is_transient() => {
                let text = format!("the cloud cannot be asked to let it go: {error}");
                return Err(Failure::new(Exit::Unreachable, text)
                    .hint("if it is gone, take the workspace all the same")
                    .next(format!("ff workspace reclaim {} --offline", known.id))
                    .into());
            }
            reclaimed => drop(reclaimed?),
        }
    }
    core.workspace_reclaim(&known.id, epoch).await?;
    Ok(())
}

async fn for_cloud(context: &Context, known: &Known) -> anyhow::Result<()> {
    let cloud = context.cloud()?;
    let reclaim = Reclaim {
        owner: Owner::Cloud,
        epoch: known.owner().1 + 1,
    };
    cloud.client.reclaim(&known.id, &reclaim).await?;
    contact::compare(context, &cloud, Some(&known.id)).await
}

fn sure(context: &Context, known: &Known) -> Result<(), Failure> {
    let name = known.name();
    let owner = match known.owner().0 {
        Owner::Contested => "the other side".to_owned(),
        Owner::Cloud => "the cloud".to_owned(),
        desktop => desktop.to_string(),
    };
    let refused = |text: &str| Failure::new(Exit::Refused, text);
    if !interactive() {
        let text = format!("what {owner} did in workspace {name} since it left would stay there");
        return Err(refused(&text).hint("say --yes if that side is gone"));
    }
    context.out.say(format!(
        "Take workspace {name} from {owner}? What was done there since it left stays there. Type its name:"
    ));
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(1..) if line.trim() == name => Ok(()),
        _ => Err(refused("nothing was changed")),
    }
}
