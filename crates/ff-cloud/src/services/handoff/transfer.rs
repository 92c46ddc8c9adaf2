//! The bundle's way through the server: streamed, never stored.

use ff_client::ByteStream;
use ff_protocol::handoff::{BUNDLE_FORMAT, HandoffState, Manifest, Restored};
use ff_protocol::{ErrorCode, HandoffId, UserId};

use super::{Act, HandoffService, ready_for};
use crate::agent::failure;
use crate::db::entity::handoff::Model;
use crate::db::{handoffs, workspaces};
use crate::{Error, Result};

/// Most parts of one bundle.
const PARTS: usize = 10_000;

impl HandoffService {
    /// Streams one part into the VM, `size` bytes.
    ///
    /// # Errors
    /// `conflict` unless it is a send under way; what the agent refuses.
    pub async fn put_part(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        sha256: &str,
        size: u64,
        body: ByteStream,
    ) -> Result<()> {
        check_sha256(sha256)?;
        let (row, _) = self.row_for(id, user, Act::PutPart).await?;
        let agent = self.agent(&row).await?;
        handoffs::touch(self.db.write(), &row.id).await?;
        agent
            .put_part(id, sha256, size, body)
            .await
            .map_err(failure)?;
        Ok(handoffs::touch(self.db.write(), &row.id).await?)
    }

    /// Streams one part out of the VM.
    ///
    /// # Errors
    /// `conflict` unless it is a pull under way; what the agent refuses.
    pub async fn get_part(
        &self,
        id: &HandoffId,
        user: Option<&UserId>,
        sha256: &str,
    ) -> Result<ByteStream> {
        check_sha256(sha256)?;
        let (row, _) = self.row_for(id, user, Act::GetPart).await?;
        let agent = self.agent(&row).await?;
        handoffs::touch(self.db.write(), &row.id).await?;
        agent.get_part(id, sha256).await.map_err(failure)
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
        let from = ready_for(&row, Act::Restore);
        let write = self.db.write();
        if !handoffs::advance(write, &row.id, &from, HandoffState::Restored).await? {
            return Err(Error::refused(
                ErrorCode::Conflict,
                "the hand-off moved on while the VM was restoring",
            ));
        }
        let shown = workspaces::Shown {
            name: &manifest.workspace.name,
            project_name: &manifest.project.name,
            branch_name: &manifest.git.branch,
        };
        workspaces::show(write, &row, shown).await?;
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
    ];
    match fits.into_iter().find(|(fits, _)| !fits) {
        Some((_, why)) => Err(why),
        None => Ok(()),
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

fn is_sha256(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 64 && text.bytes().all(hex)
}
