//! What arrived is restored beside what is there, and its fingerprint computed again.

use std::path::Path;

use ff_protocol::handoff::{Fingerprint, Manifest, Part};
use ff_protocol::project::Project;
use ff_protocol::{ErrorCode, HandoffId};

use super::arrival::{check_manifest, invalid, part_path, read_journal, read_state};
use super::conversation::CONVERSATION;
use super::fault::{Point, reach};
use super::incoming_ref;
use super::pack::hashes;
use super::spool::{JOURNAL, REPO, Spool, TRANSCRIPTS};
use super::state::{Checkout, FILES, Staging, State};
use crate::config::Side;
use crate::core::{Core, private_dir};
use crate::error::{Error, Result};
use crate::store::{HandoffRecord, Role};
use crate::workspace::worktree_path;

impl Core {
    /// Restores a bundle whose parts have arrived, beside any older copy, and returns the
    /// fingerprint of what was restored.
    ///
    /// # Errors
    /// `corrupted` when a part or the fingerprint differs from the manifest, `invalid` for a
    /// bundle that cannot be followed, `conflict` when something here would be lost.
    pub async fn handoff_restore(
        &self,
        id: &HandoffId,
        manifest: &Manifest,
    ) -> Result<Fingerprint> {
        let record = self.open_handoff(id, Role::Receiver).await?;
        let (core, asked) = (self.clone(), manifest.clone());
        let workspace = record.workspace_id.clone();
        self.in_turn(&workspace, async move {
            let record = core.open_handoff(&record.id, Role::Receiver).await?;
            core.restore(&record, &asked).await
        })
        .await
    }

    async fn restore(&self, record: &HandoffRecord, manifest: &Manifest) -> Result<Fingerprint> {
        let id = &record.id;
        check_manifest(manifest, id, record.epoch)?;
        // To which of its projects a workspace comes, a desktop chooses itself.
        let is_elsewhere =
            self.config().side == Side::Cloud && manifest.project.id != record.project_id;
        if manifest.workspace.id != record.workspace_id
            || is_elsewhere
            || manifest.to != *self.owner()
        {
            return Err(invalid("it is for another workspace or owner"));
        }
        if !self.git().is_branch_name(&manifest.git.branch).await? {
            return Err(invalid("its branch has no proper name"));
        }
        for session in &manifest.sessions {
            let holder = self.store().workspace_of_session(&session.id).await?;
            if holder.is_some_and(|holder| holder != record.workspace_id) {
                return Err(invalid("it has a session of another workspace here"));
            }
        }
        let spool = Spool::of(&self.config().data_dir, id);
        for part in &manifest.parts {
            spool.verify(part).await?;
        }
        let entries = read_journal(&spool, manifest)?.len() as u64;
        self.read_conversation(&spool, manifest, entries).await?;
        let project = self.known_project(&record.project_id).await?;
        let repo = Path::new(&project.repo_path);
        let state = read_state(&spool, manifest)?;
        self.take_objects(repo, &spool, manifest, &state).await?;
        reach(Point::Fetched);
        let head = state.branch_commit.clone();
        let branch = &manifest.git.branch;
        self.check_landing(&record.workspace_id, &project, branch, Some(&head))
            .await?;
        let dir = worktree_path(&project, &record.workspace_id);
        self.git().guard_objects(repo).await?;
        private_dir(Path::new(&project.worktree_base_path))?;
        let print = self.stage(&project, record, manifest, &state).await?;
        let checkout = Checkout {
            git: self.git(),
            dir: &dir,
        };
        Staging::of(&project, id).check_place(&checkout).await?;
        let transcripts: Vec<Part> = manifest
            .parts
            .iter()
            .filter(|part| part.name.starts_with(TRANSCRIPTS))
            .cloned()
            .collect();
        let journal = manifest.parts.iter().find(|part| part.name == JOURNAL);
        let conversation = manifest.parts.iter().find(|part| part.name == CONVERSATION);
        let fingerprint = Fingerprint {
            tree: self.git().tree(repo, &head).await?,
            head,
            state: print,
            stashes: state.stash_ids(),
            journal: journal.map(|part| part.sha256.clone()).unwrap_or_default(),
            conversation: conversation.map(|part| part.sha256.clone()),
            transcripts: hashes(&transcripts),
        };
        if fingerprint != manifest.fingerprint {
            let detail = "what was restored is not what was sent: the fingerprints differ";
            return Err(Error::refused(ErrorCode::Corrupted, detail));
        }
        reach(Point::Placed);
        self.store().set_handoff_manifest(id, manifest).await?;
        reach(Point::Restored);
        Ok(fingerprint)
    }

    /// Builds the working state beside what is there; returns its fingerprint.
    pub(super) async fn stage(
        &self,
        project: &Project,
        record: &HandoffRecord,
        manifest: &Manifest,
        state: &State,
    ) -> Result<String> {
        let spool = Spool::of(&self.config().data_dir, &record.id);
        let files = part_path(&spool, manifest, FILES)?;
        let earlier = worktree_path(project, &record.workspace_id);
        Staging::of(project, &record.id)
            .build(
                self.git(),
                Path::new(&project.repo_path),
                state,
                files.as_deref(),
                Some(earlier.as_path()).filter(|dir| dir.is_dir()),
            )
            .await
    }

    /// Brings the objects in, and keeps the commits of the state under private refs.
    async fn take_objects(
        &self,
        repo: &Path,
        spool: &Spool,
        manifest: &Manifest,
        state: &State,
    ) -> Result<()> {
        let file = part_path(spool, manifest, REPO)?;
        let private = incoming_ref(&manifest.handoff_id);
        self.git()
            .unbundle(repo, file.as_deref(), &state.all_commits(), &private)
            .await
    }
}
