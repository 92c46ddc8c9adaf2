//! Hand-offs that a crash or a lost connection left half-way: the server knows how they ended.

use ff_client::{ClientError, CloudClient};
use ff_core::Core;
use ff_protocol::handoff::{Direction, HandoffState};
use ff_protocol::{ErrorCode, HandoffId, WorkspaceId};

use crate::context::{Connection, Context};
use crate::locks;
use crate::moving::errands::{self, Errand};

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
    let Some(Connection { client, .. }) = context.cloud_if_connected()? else {
        return Ok(());
    };
    let store = context.store().await?;
    if store.unfinished_handoffs().await?.is_empty() && !errands::any(store).await? {
        return Ok(());
    }
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
        match standing(core, &client, &handoff).await {
            Ok(Standing::Open) => context.out.say(format!(
                "note: the move of workspace {workspace} was cut; `{command} {workspace}` continues it"
            )),
            Ok(Standing::Committed | Standing::Ended) => {}
            Err(error) => context.out.say(format!(
                "note: the move of workspace {workspace} was cut, and the cloud cannot be asked how it ended: {error:#}"
            )),
        }
    }
    errands::run(core, &client).await
}

/// Asks the server about one hand-off and follows its word.
///
/// # Errors
/// The server cannot be asked, or the local records cannot be written.
pub async fn standing(
    core: &Core,
    client: &CloudClient,
    id: &HandoffId,
) -> anyhow::Result<Standing> {
    match client.handoff(id).await {
        Ok(handoff) => match handoff.state {
            HandoffState::Committed | HandoffState::Finalized => {
                converge(core, client, id).await?;
                Ok(Standing::Committed)
            }
            HandoffState::Aborted => {
                core.handoff_finish(id, false).await?;
                Ok(Standing::Ended)
            }
            HandoffState::Transferring | HandoffState::Restored => Ok(Standing::Open),
        },
        Err(error) if is_unknown(&error) => {
            core.handoff_finish(id, false).await?;
            Ok(Standing::Ended)
        }
        Err(error) => Err(error.into()),
    }
}

/// After the commit: this side takes or lets go of the workspace, and the server is told.
///
/// # Errors
/// This side cannot converge; the next command tries again.
pub async fn converge(core: &Core, client: &CloudClient, id: &HandoffId) -> anyhow::Result<()> {
    core.handoff_finish(id, true).await?;
    if let Err(error) = client.finalize(id).await {
        tracing::debug!(%error, handoff = %id, "the server was not told that we converged");
        errands::remember(core, id, Errand::Finalize).await?;
    }
    Ok(())
}

/// Whether the server says that it has no such hand-off.
pub fn is_unknown(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::NotFound)
}
