//! The end of a hand-off: both sides converge on what the server committed.

use std::path::Path;

use ff_protocol::handoff::Manifest;
use ff_protocol::workspace::{Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, HandoffId};

use super::arrival::{read_journal, read_state};
use super::fault::{Point, reach};
use super::send::committed_too_early;
use super::spool::{Spool, TRANSCRIPTS, sync_dir};
use super::state::{Checkout, Staging, Target};
use super::{incoming_ref, retained_ref};
use crate::clock;
use crate::config::Side;
use crate::core::{Core, private_dir};
use crate::error::{Error, IoContext, Result};
use crate::project::{remove_dir, utf8};
use crate::session::transcript;
use crate::store::{HandoffRecord, Role};
use crate::workspace::worktree_path;

impl Core {
    /// Ends a hand-off on this side: `committed` tells whether ownership moved. The same call
    /// again changes nothing; a hand-off unknown here is fine to abort.
    ///
    /// # Errors
    /// `not_found` for an unknown hand-off that was committed, `conflict` when it ended otherwise.
    pub async fn handoff_finish(
        &self,
        id: &HandoffId,
        committed: bool,
    ) -> Result<Option<Workspace>> {
        let Some(record) = self.store().handoff(id).await? else {
            if committed {
                let detail = format!("there is no hand-off {id} here");
                return Err(Error::refused(ErrorCode::NotFound, detail));
            }
            return Ok(None);
        };
        let core = self.clone();
        let workspace = record.workspace_id.clone();
        self.in_turn(&workspace, async move {
            let record = core.known_handoff(&record.id, record.role).await?;
            core.end(&record, committed).await?;
            core.store().workspace(&record.workspace_id).await
        })
        .await
    }

    /// Ends a hand-off, in its workspace's turn.
    pub(super) async fn end(&self, record: &HandoffRecord, committed: bool) -> Result<()> {
        if let Some(ended) = record.committed
            && ended != committed
        {
            let detail = format!("hand-off {} ended otherwise", record.id);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        if record.committed.is_none() {
            match (record.role, committed) {
                (Role::Sender, _) => self.sender_finish(record, committed).await?,
                (Role::Receiver, true) => self.receiver_finish(record).await?,
                (Role::Receiver, false) => self.receiver_abort(record).await?,
            }
            self.store().finish_handoff(&record.id, committed).await?;
        }
        if record.role == Role::Receiver
            && let Some(project) = self.store().project(&record.project_id).await?
        {
            Staging::of(&project, &record.id).remove()?;
            if !committed {
                self.drop_unused_clone(&project).await?;
            }
        }
        if committed && record.role == Role::Receiver && self.config().side == Side::Cloud {
            // What waited for its turn there goes on here; nothing else starts by itself.
            if let Err(error) = self.sessions().go_on_in(&record.workspace_id).await {
                tracing::warn!(%error, "messages that came with a workspace go on waiting");
            }
        }
        self.lanes().forget(&record.id);
        reach(Point::Ended);
        Spool::of(&self.config().data_dir, &record.id).remove()
    }

    async fn receiver_finish(&self, record: &HandoffRecord) -> Result<()> {
        let Some(manifest) = &record.manifest else {
            return Err(committed_too_early(&record.id));
        };
        let project = self.known_project(&record.project_id).await?;
        let dir = worktree_path(&project, &record.workspace_id);
        let (repo, git) = (Path::new(&project.repo_path), &manifest.git);
        let spool = Spool::of(&self.config().data_dir, &record.id);
        let state = read_state(&spool, manifest)?;
        let staging = Staging::of(&project, &record.id);
        if !staging.is_applying() {
            // The user may have committed since the restore.
            self.check_landing(&record.workspace_id, &project, &git.branch, Some(&git.head))
                .await?;
            // Also when the copy that it shares files with was moved aside or edited.
            if !staging.is_as_built(&dir)? {
                self.stage(&project, record, manifest, &state).await?;
            }
        }
        if dir.is_dir() {
            self.git().clear_stale_lock(&dir).await?;
        }
        let left_with = self.last_departure(&record.workspace_id).await?;
        let target = Target {
            checkout: Checkout {
                git: self.git(),
                dir: &dir,
            },
            repo,
            branch: &git.branch,
            is_users_own: self.config().side == Side::Desktop,
            left_with: &left_with
                .map(|it| it.fingerprint.stashes)
                .unwrap_or_default(),
        };
        staging.apply(&target, &state).await?;
        reach(Point::CheckedOut);
        let transcripts = transcript::transcript_dir(&self.config().home, &dir);
        place_transcripts(&spool, manifest, &transcripts).await?;
        reach(Point::Transcribed);
        let workspace = Workspace {
            project_id: project.id.clone(),
            status: WorkspaceStatus::Ready,
            worktree_path: Some(utf8(&dir)?),
            branch_name: Some(git.branch.clone()),
            location: manifest.to.location(),
            owner: manifest.to.clone(),
            epoch: record.epoch,
            handoff_id: None,
            updated_at: clock::now(),
            ..manifest.workspace.clone()
        };
        let entries = read_journal(&spool, manifest)?;
        let count = entries.len() as u64;
        let items = self.read_conversation(&spool, manifest, count).await?;
        self.git()
            .delete_refs(repo, &incoming_ref(&record.id))
            .await?;
        self.git()
            .delete_refs(repo, &retained_ref(&record.workspace_id))
            .await?;
        reach(Point::RefsGone);
        self.drop_copy_elsewhere(&record.workspace_id, &project)
            .await?;
        let said = (&*manifest.sessions, &*entries, &*items);
        self.store()
            .take_in(&record.id, &project, &workspace, said)
            .await?;
        reach(Point::TakenIn);
        Ok(())
    }

    async fn receiver_abort(&self, record: &HandoffRecord) -> Result<()> {
        let (id, workspace) = (&record.id, &record.workspace_id);
        let store = self.store();
        store.release_workspace(workspace, id, None).await?;
        reach(Point::GivenUp);
        let Some(project) = store.project(&record.project_id).await? else {
            return Ok(());
        };
        let repo = Path::new(&project.repo_path);
        self.git().delete_refs(repo, &incoming_ref(id)).await?;
        if store.workspace(workspace).await?.is_none() {
            let dir = worktree_path(&project, workspace);
            self.git().remove_worktree(repo, &dir).await?;
            remove_dir(&dir)?;
        }
        Ok(())
    }
}

/// Puts the CLI's transcripts where it looks for those of the workspace's directory here.
async fn place_transcripts(spool: &Spool, manifest: &Manifest, dir: &Path) -> Result<()> {
    for part in &manifest.parts {
        let Some(name) = part.name.strip_prefix(TRANSCRIPTS) else {
            continue;
        };
        let target = dir.join(name);
        let parent = target.parent().unwrap_or(dir);
        private_dir(parent)?;
        let beside = parent.join(format!("{}.arriving", part.sha256));
        let what = || format!("cannot write {}", target.display());
        tokio::fs::copy(spool.part(&part.sha256)?, &beside)
            .await
            .context(what)?;
        let file = tokio::fs::File::open(&beside).await.context(what)?;
        file.sync_all().await.context(what)?;
        tokio::fs::rename(&beside, &target).await.context(what)?;
        sync_dir(parent)?;
    }
    Ok(())
}
