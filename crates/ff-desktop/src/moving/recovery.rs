//! Hand-offs that a crash or a lost connection left half-way: the server knows how they ended.

use ff_client::ClientError;
use ff_core::Core;
use ff_protocol::handoff::{Direction, HandoffState};
use ff_protocol::{ErrorCode, HandoffId, WorkspaceId};

use crate::context::{Connection, Context};
use crate::fault::{Point, reach};
use crate::locks;
use crate::moving::notes::{Commit, Notes};
use crate::moving::{binding, contact, errands};
use crate::output::Output;

/// Where an unfinished hand-off stands after the server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was committed, and this side has converged.
    Committed,
    /// It was given up, or never began.
    Ended,
    /// It has not been committed.
    Open,
}

/// Asks the server how the unfinished hand-offs of this machine (or of one workspace) ended, and
/// follows its word. Those that another `ff` drives right now are left to it. What cannot be
/// settled is told, and is no error.
///
/// # Errors
/// The local records cannot be read or written.
pub async fn recover(context: &Context, only: Option<&WorkspaceId>) -> anyhow::Result<()> {
    let Some(cloud) = context.cloud_if_connected()? else {
        return Ok(());
    };
    let store = context.store().await?;
    let notes = Notes::in_dir(context.data_dir());
    if !store.unfinished_handoffs().await?.is_empty() || !notes.all()?.is_empty() {
        settle(context, &cloud, &notes, only).await?;
    }
    contact::compare(context, &cloud, None).await
}

async fn settle(
    context: &Context,
    cloud: &Connection,
    notes: &Notes,
    only: Option<&WorkspaceId>,
) -> anyhow::Result<()> {
    // Another `ff` runs a session: then it has to wait.
    let Ok(core) = context.core().await else {
        return Ok(());
    };
    for (handoff, workspace, direction) in core.handoffs_unfinished().await? {
        if only.is_some_and(|only| *only != workspace) {
            continue;
        }
        let Some(_lock) = locks::try_take(context.data_dir(), workspace.as_str())? else {
            continue;
        };
        let command = match direction {
            Direction::Send => "ff send",
            Direction::Pull => "ff pull",
        };
        match standing(core, cloud, notes, &handoff, context.out).await {
            Ok(Standing::Open) => context.out.say(format!(
                "note: the move of workspace {workspace} was cut; `{command} {workspace}` continues it"
            )),
            Ok(Standing::Committed | Standing::Ended) => {}
            Err(error) => context.out.say(format!(
                "note: the move of workspace {workspace} was cut, and cannot be settled yet: {error:#}"
            )),
        }
    }
    errands::run(core, cloud, notes).await
}

/// Asks the server about one hand-off and follows its word. Only the one that it was begun with
/// can tell: another one does not know it, whatever became of it.
///
/// # Errors
/// The server cannot be asked or is another one, or the local records cannot be written.
pub async fn standing(
    core: &Core,
    cloud: &Connection,
    notes: &Notes,
    id: &HandoffId,
    out: Output,
) -> anyhow::Result<Standing> {
    if let Some(note) = notes.get(id)?
        && note.cloud != cloud.settings
    {
        return Err(binding::elsewhere(&note.cloud, &cloud.settings).into());
    }
    match cloud.client.handoff(id).await {
        Ok(handoff) => match handoff.state {
            HandoffState::Committed | HandoffState::Finalized => {
                converge(core, cloud, notes, id).await?;
                Ok(Standing::Committed)
            }
            HandoffState::Aborted => {
                core.handoff_finish(id, false).await?;
                notes.remove(id)?;
                Ok(Standing::Ended)
            }
            HandoffState::Transferring | HandoffState::Restored => Ok(Standing::Open),
        },
        Err(error) if is_unknown(&error) => {
            let note = notes.get(id)?;
            if note.is_some_and(|note| note.commit == Commit::MaybeAsked) {
                // Its database may be a backup from before the commit.
                contact::find_out(core, cloud, id, out).await?;
                let record = core.store().handoff(id).await?;
                if record.is_some_and(|record| record.committed == Some(true)) {
                    notes.remove(id)?;
                    return Ok(Standing::Committed);
                }
            }
            core.handoff_finish(id, false).await?;
            notes.remove(id)?;
            Ok(Standing::Ended)
        }
        Err(error) => Err(error.into()),
    }
}

/// After the commit: this side takes or lets go of the workspace, and the server is told. Returns
/// why that could not take it in yet.
///
/// # Errors
/// This side cannot converge; the next command tries again.
pub async fn converge(
    core: &Core,
    cloud: &Connection,
    notes: &Notes,
    id: &HandoffId,
) -> anyhow::Result<Option<ClientError>> {
    core.handoff_finish(id, true).await?;
    reach(Point::Converged);
    errands::tell(core, &cloud.client, notes, id, true).await
}

/// Whether the server says that it has no such hand-off.
pub fn is_unknown(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::NotFound)
}
