//! What arrived is restored beside what is there, and its fingerprint computed again.

use std::path::{Component, Path, PathBuf};

use ff_protocol::handoff::{BUNDLE_FORMAT, Fingerprint, Manifest, Part};
use ff_protocol::project::Project;
use ff_protocol::workspace::Workspace;
use ff_protocol::{ErrorCode, HandoffId};

use super::send::hashes;
use super::spool::{JOURNAL, REPO, Spool, TRANSCRIPTS};
use super::{incoming_ref, retained_ref};
use crate::core::{Core, private_dir};
use crate::error::{Error, Result};
use crate::store::Role;
use crate::workspace::worktree_path;

impl Core {
    /// Restores a bundle whose parts have arrived, beside any older copy, and returns the
    /// fingerprint of what was restored.
    ///
    /// # Errors
    /// `corrupted` when a part or the fingerprint differs from the manifest, `invalid` for a
    /// manifest that cannot be followed, `conflict` when the older copy here was changed.
    pub async fn handoff_restore(
        &self,
        id: &HandoffId,
        manifest: &Manifest,
    ) -> Result<Fingerprint> {
        let record = self.open_handoff(id, Role::Receiver).await?;
        check_manifest(manifest, id, record.epoch)?;
        if manifest.workspace.id != record.workspace_id
            || manifest.project.id != record.project_id
            || manifest.to != *self.owner()
        {
            return Err(invalid("it is for another workspace or owner"));
        }
        if !self.git().is_branch_name(&manifest.git.branch).await? {
            return Err(invalid("its branch has no proper name"));
        }
        let project = self.known_project(&record.project_id).await?;
        let repo = Path::new(&project.repo_path);
        let spool = Spool::of(&self.config().data_dir, id);
        for part in &manifest.parts {
            spool.verify(part).await?;
        }
        let private = incoming_ref(id);
        match manifest.parts.iter().find(|part| part.name == REPO) {
            Some(part) => {
                let file = spool.part(&part.sha256)?;
                self.git()
                    .unbundle(repo, &file, &manifest.git.branch, &private)
                    .await?;
            }
            None => self
                .git()
                .keep(repo, &private, &manifest.git.head)
                .await
                .map_err(|_| lost_commit(manifest))?,
        }
        let head = self
            .git()
            .commit(repo, &private)
            .await?
            .ok_or_else(|| lost_commit(manifest))?;
        let existing = self.store().workspace(&record.workspace_id).await?;
        if let Some(workspace) = &existing {
            self.check_landing_place(workspace, &project, Some(&head))
                .await?;
        }
        let dir = worktree_path(&project, &record.workspace_id);
        if !dir.exists() {
            private_dir(Path::new(&project.worktree_base_path))?;
            self.git().add_detached_worktree(repo, &dir, &head).await?;
        }
        let transcripts: Vec<Part> = manifest
            .parts
            .iter()
            .filter(|part| part.name.starts_with(TRANSCRIPTS))
            .cloned()
            .collect();
        let journal = manifest.parts.iter().find(|part| part.name == JOURNAL);
        let fingerprint = Fingerprint {
            tree: self.git().tree(repo, &head).await?,
            head,
            journal: journal.map(|part| part.sha256.clone()).unwrap_or_default(),
            transcripts: hashes(&transcripts),
        };
        if fingerprint != manifest.fingerprint {
            let detail = "what was restored is not what was sent: the fingerprints differ";
            return Err(Error::refused(ErrorCode::Corrupted, detail));
        }
        self.store().set_handoff_manifest(id, manifest).await?;
        Ok(fingerprint)
    }

    /// Checks that nothing made here since the workspace left would be lost when it lands:
    /// neither edits in the copy that stayed, nor commits on its branch.
    pub(super) async fn check_landing_place(
        &self,
        workspace: &Workspace,
        project: &Project,
        head: Option<&str>,
    ) -> Result<()> {
        let (repo, dir) = (
            Path::new(&project.repo_path),
            worktree_path(project, &workspace.id),
        );
        let name = &workspace.name;
        let refused = |detail: String, hint: &str| {
            Err(Error::refused(ErrorCode::Conflict, detail).hint(hint))
        };
        if let Some(branch) = &workspace.branch_name
            && let Some(other) = self.git().worktree_of_branch(repo, branch).await?
            && other != dir
        {
            let detail = format!(
                "branch {branch} of workspace {name} is checked out in {}",
                other.display()
            );
            return refused(detail, "check out another branch there first");
        }
        if dir.is_dir() && !self.git().changes(&dir).await?.is_empty() {
            let detail = format!(
                "the copy of workspace {name} that stayed here has changes: {}",
                dir.display()
            );
            return refused(detail, "commit them on another branch, or discard them");
        }
        let retained = self
            .git()
            .commit(repo, &retained_ref(&workspace.id))
            .await?;
        let mut places = vec![];
        if dir.is_dir() {
            places.push(self.git().commit(&dir, "HEAD").await?);
        }
        if let Some(branch) = &workspace.branch_name {
            places.push(
                self.git()
                    .commit(repo, &format!("refs/heads/{branch}"))
                    .await?,
            );
        }
        for place in places.into_iter().flatten() {
            let known = match head {
                Some(head) => self.git().is_ancestor(repo, &place, head).await?,
                None => true,
            };
            if !known && Some(&place) != retained.as_ref() {
                let detail =
                    format!("workspace {name} has commits here that the other side lacks: {place}");
                return refused(detail, "put them on another branch with `git branch`");
            }
        }
        Ok(())
    }
}

fn check_manifest(manifest: &Manifest, id: &HandoffId, epoch: u64) -> Result<()> {
    if manifest.format != BUNDLE_FORMAT {
        return Err(invalid(&format!(
            "its format {} is not {BUNDLE_FORMAT}",
            manifest.format
        )));
    }
    if manifest.handoff_id != *id || manifest.epoch != epoch {
        return Err(invalid("it belongs to another hand-off"));
    }
    if manifest.workspace.project_id != manifest.project.id {
        return Err(invalid("its workspace belongs to another project"));
    }
    if manifest
        .sessions
        .iter()
        .any(|session| session.workspace_id != manifest.workspace.id)
    {
        return Err(invalid("it has sessions of another workspace"));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let names = manifest
        .sessions
        .iter()
        .map(|session| &session.provider_session_id);
    if names
        .clone()
        .any(|id| id.is_empty() || !id.bytes().all(is_plain))
    {
        return Err(invalid("a session has no proper id"));
    }
    for part in &manifest.parts {
        let known = match part.name.strip_prefix(TRANSCRIPTS) {
            Some(name) => is_plain_path(name),
            None => part.name == REPO || part.name == JOURNAL,
        };
        if !known {
            return Err(invalid(&format!(
                "it has a part with the name {:?}",
                part.name
            )));
        }
    }
    Ok(())
}

/// A relative path of plain names, none of which leads anywhere else.
fn is_plain_path(name: &str) -> bool {
    let path = PathBuf::from(name);
    !name.is_empty()
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

fn invalid(why: &str) -> Error {
    Error::refused(
        ErrorCode::Invalid,
        format!("the bundle's manifest cannot be followed: {why}"),
    )
}

fn lost_commit(manifest: &Manifest) -> Error {
    let detail = format!(
        "commit {} is neither here nor in the bundle",
        manifest.git.head
    );
    Error::refused(ErrorCode::Corrupted, detail)
}
