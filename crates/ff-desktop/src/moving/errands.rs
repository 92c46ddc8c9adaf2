//! Calls about ended hand-offs that could not be delivered, kept until they can.
//!
//! None of them decides where a workspace is: that is settled before an errand is written.

use ff_client::{ClientError, CloudClient};
use ff_core::Core;
use ff_core::store::Store;
use ff_protocol::{ErrorCode, HandoffId};
use serde::{Deserialize, Serialize};

const KEY: &str = "handoff_errands";

/// What the server has still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Errand {
    /// The hand-off was given up here.
    Abort,
    /// This side has converged.
    Finalize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    handoff: HandoffId,
    errand: Errand,
}

/// Whether there are errands.
///
/// # Errors
/// The records cannot be read.
pub async fn any(store: &Store) -> anyhow::Result<bool> {
    Ok(!notes(store).await?.is_empty())
}

/// Remembers an errand.
///
/// # Errors
/// The records cannot be written.
pub async fn remember(core: &Core, handoff: &HandoffId, errand: Errand) -> anyhow::Result<()> {
    let mut notes = notes(core.store()).await?;
    notes.retain(|note| note.handoff != *handoff);
    notes.push(Note {
        handoff: handoff.clone(),
        errand,
    });
    write(core, &notes).await
}

/// Runs the errands; what the server answers ends an errand, silence keeps it.
///
/// # Errors
/// The records cannot be read or written.
pub async fn run(core: &Core, client: &CloudClient) -> anyhow::Result<()> {
    let before = notes(core.store()).await?;
    if before.is_empty() {
        return Ok(());
    }
    let mut left = Vec::new();
    for note in before {
        let delivered = match note.errand {
            Errand::Abort => client.abort(&note.handoff).await,
            Errand::Finalize => client.finalize(&note.handoff).await.map(|_| ()),
        };
        if let Err(error) = delivered
            && may_succeed_later(&error)
        {
            tracing::debug!(%error, handoff = %note.handoff, "an errand is left");
            left.push(note);
        }
    }
    write(core, &left).await
}

/// Whether the call is worth another try: the server has not ruled on it.
fn may_succeed_later(error: &ClientError) -> bool {
    error.is_transient() || error.code() == Some(ErrorCode::Suspended)
}

async fn notes(store: &Store) -> anyhow::Result<Vec<Note>> {
    Ok(match store.setting(KEY).await? {
        Some(text) => serde_json::from_str(&text)?,
        None => Vec::new(),
    })
}

async fn write(core: &Core, notes: &[Note]) -> anyhow::Result<()> {
    let text = serde_json::to_string(notes)?;
    Ok(core.store().set_setting(KEY, &text).await?)
}
