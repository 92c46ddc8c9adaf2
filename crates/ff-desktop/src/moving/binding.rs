//! While something of a hand-off is open, its cloud stays the one in use: no other server can
//! tell where the workspace is.

use ff_core::store::Role;

use super::notes::Notes;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::settings::Cloud;

/// Refuses another cloud than the one that open hand-offs were begun with.
///
/// # Errors
/// The refusal, with the workspace that is being moved; or the records cannot be read.
pub async fn may_connect(context: &Context, wanted: &Cloud) -> anyhow::Result<()> {
    let store = context.store().await?;
    let notes = Notes::in_dir(context.data_dir());
    let connected = context.settings.cloud()?;
    let name = async |id| -> anyhow::Result<String> {
        let workspace = store.workspace(id).await?;
        Ok(workspace.map_or_else(|| id.to_string(), |workspace| workspace.name))
    };
    for record in store.unfinished_handoffs().await? {
        let begun = notes.get(&record.id)?.map(|note| note.cloud);
        let Some(place) = begun.or_else(|| connected.clone()) else {
            continue;
        };
        if place == *wanted {
            continue;
        }
        let name = name(&record.workspace_id).await?;
        let text = format!("workspace {name} is being moved with {}", shown(&place));
        let verb = match record.role {
            Role::Sender => "send",
            Role::Receiver => "pull",
        };
        let next = match connected == Some(place.clone()) {
            true => format!("ff {verb} {}", record.workspace_id),
            false => connect(&place),
        };
        return Err(Failure::new(Exit::Refused, text)
            .hint("only that server knows where the workspace is: finish the move there first")
            .next(next)
            .into());
    }
    for (id, note) in notes.all()? {
        let Some(record) = store.handoff(&id).await? else {
            continue;
        };
        if note.cloud == *wanted {
            continue;
        }
        let name = name(&record.workspace_id).await?;
        let place = shown(&note.cloud);
        let text = format!("{place} has still to hear how the move of workspace {name} ended");
        let next = match connected.as_ref() == Some(&note.cloud) {
            true => "ff workspace list".to_owned(),
            false => connect(&note.cloud),
        };
        return Err(Failure::new(Exit::Refused, text)
            .hint("it is told by the next command that reaches it")
            .next(next)
            .into());
    }
    Ok(())
}

/// The refusal to ask `connected` about a hand-off that was begun elsewhere.
pub fn elsewhere(begun: &Cloud, connected: &Cloud) -> Failure {
    let (begun_at, here) = (shown(begun), shown(connected));
    let text = format!("it was begun with {begun_at}, and this ff is connected to {here}");
    Failure::new(Exit::Refused, text)
        .hint("only that server knows where the workspace is")
        .next(connect(begun))
}

fn shown(cloud: &Cloud) -> String {
    format!("{} (user {})", cloud.url, cloud.user_id)
}

fn connect(cloud: &Cloud) -> String {
    format!("ff cloud connect {} --user {}", cloud.url, cloud.user_id)
}
