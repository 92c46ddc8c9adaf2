//! `ff workspace delete WORKSPACE`.

use std::io::BufRead;

use ff_protocol::workspace::{Location, Owner, WorkspaceStatus};
use serde::Serialize;

use crate::cli::DeleteArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{self, Known};
use crate::moving::recovery;
use crate::output::{fields, interactive};
use crate::session::host::Host;

#[derive(Serialize)]
struct Deleted {
    deleted: String,
}

/// Removes a workspace, once its user is sure: from the side that holds it, then from the lists
/// of all that know it.
pub async fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<()> {
    let found = find::workspace(context, &args.workspace.workspace).await?;
    recovery::recover(context, Some(&found.id)).await?;
    let known = find::workspace(context, found.id.as_str()).await?;
    if args.forget && is_held(context, &known).await? {
        let text = format!("workspace {} is not lost: its side holds it", known.name());
        return Err(Failure::new(Exit::Refused, text)
            .hint("leave out --forget to delete it there")
            .into());
    }
    if !args.yes {
        sure(context, &known, args.forget)?;
    }
    if !args.forget && !known.is_missing() {
        delete_where_it_is(context, &known).await?;
    }
    forget(context, &known).await?;
    let deleted = Deleted {
        deleted: known.id.to_string(),
    };
    context.out.result(&deleted, || {
        fields(&[("deleted", Some(known.name().to_owned()))])
    })
}

/// Whether the side that owns it is within reach and has it.
async fn is_held(context: &Context, known: &Known) -> anyhow::Result<bool> {
    Ok(match known.owner().0 {
        Owner::Cloud => known.cloud.is_some(),
        // Both may have it, until a person decides.
        Owner::Contested => true,
        Owner::Desktop(id) => {
            id == context.store().await?.installation_id().await? && known.local.is_some()
        }
    })
}

async fn delete_where_it_is(context: &Context, known: &Known) -> anyhow::Result<()> {
    let host = Host::of(context, known).await?;
    let only_listed = known.location() == Location::Desktop && known.local.is_none();
    match only_listed {
        true => Ok(()),
        false => host.delete(&known.id).await,
    }
}

/// Takes it from the lists of those that do not own it.
async fn forget(context: &Context, known: &Known) -> anyhow::Result<()> {
    let owner = known.owner().0;
    if let Some(local) = &known.local {
        let me = Owner::Desktop(context.store().await?.installation_id().await?);
        if local.owner != me {
            context.core().await?.workspace_forget(&known.id).await?;
        }
    }
    if let Some(row) = &known.cloud
        && row.owner != Owner::Cloud
        && owner != Owner::Cloud
    {
        let engine = context.cloud()?.client;
        engine.engine().delete_workspace(&known.id).await?;
    }
    Ok(())
}

/// What is lost, in words.
fn lost(known: &Known, forget: bool) -> &'static str {
    let status = known.local.as_ref().map(|local| local.status);
    if forget || known.is_missing() {
        "what this machine keeps of it, its conversations too, goes"
    } else if known.location() == Location::Desktop && status == Some(WorkspaceStatus::Archived) {
        "its conversations go; its branch keeps what was archived"
    } else {
        "its checkout goes with what is not committed there, and its conversations"
    }
}

fn sure(context: &Context, known: &Known, forget: bool) -> Result<(), Failure> {
    let (name, lost) = (known.name(), lost(known, forget));
    let refused = |text: &str| Failure::new(Exit::Refused, text);
    if !interactive() {
        return Err(refused(lost).hint("say --yes if that is right"));
    }
    context
        .out
        .say(format!("Delete workspace {name}: {lost}. Type its name:"));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(1..) if line.trim() == name => Ok(()),
        _ => Err(refused("nothing was deleted")),
    }
}
