//! Telling the server how hand-offs ended that ended here while it did not answer.
//!
//! None of this decides where a workspace is: that is settled before.

use ff_client::{ClientError, CloudClient};
use ff_core::Core;
use ff_protocol::{ErrorCode, HandoffId};

use super::notes::Notes;
use crate::context::Connection;
use crate::fault::{Point, reach};

/// Tells the server what it has still to hear of ended hand-offs. What it answers settles one,
/// silence leaves it for later; other servers' are left alone.
///
/// # Errors
/// The records cannot be read or written.
pub async fn run(core: &Core, cloud: &Connection, notes: &Notes) -> anyhow::Result<()> {
    for (id, note) in notes.all()? {
        let record = core.store().handoff(&id).await?;
        let Some(committed) = record.and_then(|record| record.committed) else {
            continue;
        };
        if note.cloud == cloud.settings {
            // A crash may have come before what was spooled was gone.
            core.handoff_finish(&id, committed).await?;
            tell(core, &cloud.client, notes, &id, committed).await?;
        }
    }
    Ok(())
}

/// Tells the server how one hand-off ended. From its answer on, the copy that stayed here may age.
/// Returns why the server could not take it in yet: then the next command tells it again.
///
/// # Errors
/// The note cannot be removed, or the records cannot be written.
pub async fn tell(
    core: &Core,
    client: &CloudClient,
    notes: &Notes,
    id: &HandoffId,
    committed: bool,
) -> anyhow::Result<Option<ClientError>> {
    let told = match committed {
        true => client.finalize(id).await.map(|_| ()),
        false => client.abort(id).await,
    };
    match told {
        Err(error) if may_succeed_later(&error) => {
            tracing::debug!(%error, handoff = %id, "the server was not told how it ended");
            return Ok(Some(error));
        }
        Ok(()) if committed => core.handoff_finalized(id).await?,
        _ => {}
    }
    reach(Point::Told);
    notes.remove(id)?;
    Ok(None)
}

/// Takes the note of a hand-off away that has ended here and of which the server knows.
///
/// # Errors
/// The records cannot be read, or the note cannot be removed.
pub async fn settle(core: &Core, notes: &Notes, id: &HandoffId) -> anyhow::Result<()> {
    let record = core.store().handoff(id).await?;
    match record.is_some_and(|record| record.committed.is_none()) {
        true => Ok(()),
        false => notes.remove(id),
    }
}

/// Whether the call is worth another try: the server has not ruled on it. A failure inside it, or
/// in the VM, is no ruling: its disk may be full.
fn may_succeed_later(error: &ClientError) -> bool {
    let no_ruling = [ErrorCode::Suspended, ErrorCode::Internal];
    error.is_transient() || error.code().is_some_and(|code| no_ruling.contains(&code))
}

#[cfg(test)]
mod tests {
    use ff_protocol::Problem;

    use super::*;

    #[test]
    fn what_is_no_ruling_is_told_again() {
        let later = |code| may_succeed_later(&ClientError::Problem(Problem::new(code, "said")));
        for code in [
            ErrorCode::Internal,
            ErrorCode::Suspended,
            ErrorCode::Timeout,
        ] {
            assert!(later(code), "{code:?}");
        }
        for code in [ErrorCode::NotFound, ErrorCode::Conflict, ErrorCode::Gone] {
            assert!(!later(code), "{code:?}");
        }
    }
}
