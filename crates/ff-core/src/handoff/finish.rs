//! The end of a hand-off: both sides converge on what the server committed.

use std::io::BufRead;
use std::path::Path;

use ff_protocol::handoff::Manifest;
use ff_protocol::session::JournalEntry;
use ff_protocol::workspace::{Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, HandoffId};

use super::incoming_ref;
use super::spool::{JOURNAL, Spool, TRANSCRIPTS};
use crate::clock;
use crate::core::Core;
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
                return Err(Error::refused(
                    ErrorCode::NotFound,
                    format!("there is no hand-off {id} here"),
                ));
            }
            return Ok(None);
        };
        match record.committed {
            Some(ended) if ended != committed => {
                return Err(Error::refused(
                    ErrorCode::Conflict,
                    format!("hand-off {id} ended otherwise"),
                ));
            }
            Some(_) => {}
            None => {
                match (record.role, committed) {
                    (Role::Sender, _) => self.sender_finish(&record, committed).await?,
                    (Role::Receiver, true) => self.receiver_finish(&record).await?,
                    (Role::Receiver, false) => self.receiver_abort(&record).await?,
                }
                self.store().finish_handoff(id, committed).await?;
                self.after_abort(&record, committed).await?;
            }
        }
        Spool::of(&self.config().data_dir, id).remove()?;
        self.store().workspace(&record.workspace_id).await
    }

    async fn receiver_finish(&self, record: &HandoffRecord) -> Result<()> {
        let Some(manifest) = &record.manifest else {
            let detail = format!(
                "hand-off {} was committed before it was restored",
                record.id
            );
            return Err(Error::refused(ErrorCode::Conflict, detail));
        };
        let project = self.known_project(&manifest.project.id).await?;
        let dir = worktree_path(&project, &record.workspace_id);
        let git = &manifest.git;
        self.git()
            .check_out_at(&dir, &git.branch, &git.head)
            .await?;
        if let Some(upstream) = &git.upstream {
            self.git().set_upstream(&dir, &git.branch, upstream).await?;
        }
        let spool = Spool::of(&self.config().data_dir, &record.id);
        place_transcripts(
            &spool,
            manifest,
            &transcript::transcript_dir(&self.config().home, &dir),
        )?;
        let workspace = Workspace {
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
        self.git()
            .delete_ref(Path::new(&project.repo_path), &incoming_ref(&record.id))
            .await?;
        self.store()
            .take_in(
                &record.id,
                &project,
                &workspace,
                &manifest.sessions,
                &entries,
            )
            .await
    }

    async fn after_abort(&self, record: &HandoffRecord, committed: bool) -> Result<()> {
        if committed || record.role == Role::Sender {
            return Ok(());
        }
        match self.store().project(&record.project_id).await? {
            Some(project) => self.drop_unused_clone(&project).await,
            None => Ok(()),
        }
    }

    async fn receiver_abort(&self, record: &HandoffRecord) -> Result<()> {
        let known = self
            .store()
            .release_workspace(&record.workspace_id, &record.id, None)
            .await?;
        let Some(project) = self.store().project(&record.project_id).await? else {
            return Ok(());
        };
        let repo = Path::new(&project.repo_path);
        self.git()
            .delete_ref(repo, &incoming_ref(&record.id))
            .await?;
        if !known
            && self
                .store()
                .workspace(&record.workspace_id)
                .await?
                .is_none()
        {
            let dir = worktree_path(&project, &record.workspace_id);
            self.git().remove_worktree(repo, &dir).await?;
            remove_dir(&dir)?;
        }
        Ok(())
    }
}

fn read_journal(spool: &Spool, manifest: &Manifest) -> Result<Vec<JournalEntry>> {
    let Some(part) = manifest.parts.iter().find(|part| part.name == JOURNAL) else {
        return Ok(Vec::new());
    };
    let path = spool.part(&part.sha256)?;
    let file = std::fs::File::open(&path).context(|| "cannot read the journal".to_owned())?;
    let mut entries = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        let line = line.context(|| "cannot read the journal".to_owned())?;
        let entry = serde_json::from_str(&line).map_err(|source| Error::Data {
            what: "a journal entry".to_owned(),
            source,
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Puts the CLI's transcripts where it looks for those of the workspace's directory here.
fn place_transcripts(spool: &Spool, manifest: &Manifest, dir: &Path) -> Result<()> {
    for part in &manifest.parts {
        let Some(name) = part.name.strip_prefix(TRANSCRIPTS) else {
            continue;
        };
        let target = dir.join(name);
        if let Some(parent) = target.parent() {
            crate::core::private_dir(parent)?;
        }
        let beside = target.with_extension("arriving");
        let source = spool.part(&part.sha256)?;
        std::fs::copy(&source, &beside).context(|| format!("cannot write {}", beside.display()))?;
        std::fs::rename(&beside, &target)
            .context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}
