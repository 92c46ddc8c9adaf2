//! The bundle's way through the server: streamed, never stored.

use std::time::{Duration, Instant};

use ff_client::ByteStream;
use ff_protocol::handoff::{BUNDLE_FORMAT, HandoffState, Manifest, Offered, Restored, is_sha256};
use ff_protocol::{ErrorCode, HandoffId, UserId};
use futures_util::{StreamExt, stream};

use super::ask::has_nul;
use super::{Act, HandoffService, ready_for};
use crate::agent::failure;
use crate::db::entity::handoff::Model;
use crate::db::{handoffs, workspaces};
use crate::error::chain;
use crate::fault::{self, Point};
use crate::services::workspace::metadata::{EMPTY, Metadata};
use crate::{Error, Result};

/// Most parts of one bundle.
const PARTS: usize = 10_000;
/// How often it is noted how much of a part has passed.
const STREAMING: Duration = Duration::from_secs(2);

impl HandoffService {
    /// Has the VM check what is to come, before it comes, and tells what has come of it.
    ///
    /// # Errors
    /// `conflict` unless it is a send under way; `invalid` for a manifest of something else; what
    /// the agent refuses, such as `too_large`.
    pub async fn offer(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        manifest: &Manifest,
    ) -> Result<Offered> {
        let (row, _) = self.row_for(id, user, Act::PutPart).await?;
        belongs(&row, manifest)
            .map_err(|why| Error::refused(ErrorCode::Invalid, format!("the manifest: {why}")))?;
        let agent = self.agent(&row).await?;
        let offered = agent.offer(id, manifest).await.map_err(failure)?;
        let total = manifest.parts.iter().map(|part| part.size).sum();
        let done = manifest.parts.iter().map(|part| offered.of(part)).sum();
        handoffs::set_size(self.db.write(), &row.id, (done, total)).await?;
        fault::point(Point::HandoffOffered);
        Ok(offered)
    }

    /// Streams one part into the VM from `offset` on, `size` bytes.
    ///
    /// # Errors
    /// `conflict` unless it is a send under way; what the agent refuses.
    pub async fn put_part(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        sha256: &str,
        (offset, size): (u64, u64),
        body: ByteStream,
    ) -> Result<()> {
        check_sha256(sha256)?;
        let (row, _) = self.row_for(id, user, Act::PutPart).await?;
        let agent = self.agent(&row).await?;
        handoffs::touch(self.db.write(), &row.id).await?;
        agent
            .put_part(id, sha256, (offset, size), self.streaming(&row, body))
            .await
            .map_err(failure)?;
        fault::point(Point::HandoffPassed);
        Ok(())
    }

    /// Streams one part out of the VM from `offset` on.
    ///
    /// # Errors
    /// `conflict` unless it is a pull under way; what the agent refuses.
    pub async fn get_part(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        sha256: &str,
        offset: u64,
    ) -> Result<ByteStream> {
        check_sha256(sha256)?;
        let (row, _) = self.row_for(id, user, Act::GetPart).await?;
        let agent = self.agent(&row).await?;
        handoffs::touch(self.db.write(), &row.id).await?;
        let body = agent.get_part(id, sha256, offset).await.map_err(failure)?;
        Ok(self.streaming(&row, body))
    }

    /// The pieces of a part, whose bytes are noted as they pass.
    fn streaming(&self, row: &Model, body: ByteStream) -> ByteStream {
        let (db, id) = (self.db.clone(), row.id.clone());
        noting(body, STREAMING, move |bytes| {
            let (db, id) = (db.clone(), id.clone());
            async move {
                if let Err(error) = handoffs::add_done(db.write(), &id, bytes).await {
                    tracing::warn!(handoff = %id, error = %chain(&error), "not noted as streaming");
                }
            }
        })
    }

    /// Lets the VM restore the workspace from the parts it has.
    ///
    /// # Errors
    /// `conflict` unless it is a send under way; `invalid` for a manifest of something else;
    /// `corrupted` when the VM computed another fingerprint; what the agent refuses.
    pub async fn restore(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        manifest: &Manifest,
    ) -> Result<Restored> {
        let (row, _) = self.row_for(id, user, Act::Restore).await?;
        belongs(&row, manifest)
            .map_err(|why| Error::refused(ErrorCode::Invalid, format!("the manifest: {why}")))?;
        let agent = self.agent(&row).await?;
        handoffs::touch(self.db.write(), &row.id).await?;
        let restored = agent.restore(id, manifest).await.map_err(failure)?;
        if restored.fingerprint != manifest.fingerprint {
            return Err(Error::refused(
                ErrorCode::Corrupted,
                "what the VM restored is not what was sent",
            )
            .hint("send again"));
        }
        fault::point(Point::HandoffRestored);
        let from = ready_for(&row, Act::Restore);
        let write = self.db.write();
        if !handoffs::advance(write, &row.id, &from, HandoffState::Restored).await? {
            return Err(Error::refused(
                ErrorCode::Conflict,
                "the hand-off moved on while the VM was restoring",
            ));
        }
        let metadata = Metadata::of(&manifest.workspace).text()?;
        workspaces::show(write, &row, told(manifest, &metadata)).await?;
        fault::point(Point::HandoffNoted);
        Ok(restored)
    }
}

/// Whether a manifest is the hand-off's.
///
/// # Errors
/// What does not fit.
pub(super) fn belongs(row: &Model, manifest: &Manifest) -> Result<(), &'static str> {
    let fits = [
        (manifest.format == BUNDLE_FORMAT, "its format is unknown"),
        (
            manifest.handoff_id.as_str() == row.id,
            "it is of another hand-off",
        ),
        (
            manifest.workspace.id.as_str() == row.workspace_id,
            "it is of another workspace",
        ),
        (
            manifest.from.to_string() == row.from_owner,
            "`from` is not the owner",
        ),
        (
            manifest.to.to_string() == row.to_owner,
            "`to` is not the owner to be",
        ),
        (
            manifest.epoch == row.epoch.unsigned_abs(),
            "its epoch is another",
        ),
        (manifest.parts.len() <= PARTS, "it has too many parts"),
        (
            manifest.parts.iter().all(|part| is_sha256(&part.sha256)),
            "a part's hash is malformed",
        ),
        (
            !has_nul(&told(manifest, EMPTY)),
            "a name has a NUL character",
        ),
    ];
    match fits.into_iter().find(|(fits, _)| !fits) {
        Some((_, why)) => Err(why),
        None => Ok(()),
    }
}

/// What a manifest tells of the workspace.
fn told<'a>(manifest: &'a Manifest, metadata: &'a str) -> workspaces::Shown<'a> {
    workspaces::Shown {
        name: &manifest.workspace.name,
        project_name: &manifest.project.name,
        branch_name: &manifest.git.branch,
        metadata,
    }
}

fn check_sha256(text: &str) -> Result<()> {
    match is_sha256(text) {
        true => Ok(()),
        false => Err(Error::refused(
            ErrorCode::BadRequest,
            "a part is named by its SHA-256: 64 characters of 0-9 and a-f",
        )),
    }
}

/// The pieces of a body; `note` is called with the bytes that have passed, with the first piece,
/// then at most once in `every`, and at the end; each piece waits for it.
fn noting<F>(
    body: ByteStream,
    every: Duration,
    note: impl Fn(u64) -> F + Send + 'static,
) -> ByteStream
where
    F: Future<Output = ()> + Send + 'static,
{
    let state = (body, note, None::<Instant>, 0u64);
    Box::pin(stream::unfold(
        state,
        move |(mut body, note, last, mut passed)| async move {
            let piece = body.next().await;
            if let Some(Ok(bytes)) = &piece {
                passed += bytes.len() as u64;
            }
            let due = piece.is_none() || last.is_none_or(|last| last.elapsed() >= every);
            let last = match due {
                true => {
                    note(std::mem::take(&mut passed)).await;
                    Some(Instant::now())
                }
                false => last,
            };
            piece.map(|piece| (piece, (body, note, last, passed)))
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn pieces_are_noted_at_most_once_in_so_long_and_at_the_end() {
        for (every, expected) in [
            (Duration::ZERO, vec![1, 2, 3, 0]),
            (Duration::from_secs(3600), vec![1, 5]),
        ] {
            let notes = Arc::new(Mutex::new(Vec::new()));
            let noted = notes.clone();
            let pieces = ["a", "bb", "ccc"].map(|piece| Ok(piece.into()));
            let body = noting(Box::pin(stream::iter(pieces)), every, move |bytes| {
                let noted = noted.clone();
                async move { noted.lock().unwrap().push(bytes) }
            });
            let passed: Vec<_> = body.map(Result::unwrap).collect().await;
            assert_eq!(passed, ["a", "bb", "ccc"]);
            assert_eq!(*notes.lock().unwrap(), expected);
        }
    }
}
