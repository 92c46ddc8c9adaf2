//! The bundle of a workspace that leaves: its parts and its manifest.

use std::collections::BTreeMap;
use std::path::Path;

use ff_protocol::handoff::{BUNDLE_FORMAT, Fingerprint, GitState, Manifest, Part};
use ff_protocol::project::Project;
use ff_protocol::session::{Activity, Session, SessionStatus};
use ff_protocol::workspace::{Owner, RunScriptStatus, Workspace};
use ff_protocol::{ErrorCode, WorkspaceId};

use super::fault::{Point, reach};
use super::send::worktree;
use super::spool::{JOURNAL, MAX_PART, REPO, Spool, TRANSCRIPTS};
use super::state::{Checkout, FILES, STATE};
use crate::core::Core;
use crate::error::{Error, IoContext, Result};
use crate::project::remove_dir;
use crate::session::transcript;
use crate::store::HandoffRecord;

impl Core {
    /// Spools the bundle of a workspace, once it is marked as moving.
    pub(super) async fn spool(
        &self,
        record: &HandoffRecord,
        to: Owner,
        have: &[String],
    ) -> Result<Manifest> {
        let workspace = self.workspace(&record.workspace_id).await?;
        let dir = worktree(&workspace)?;
        let spool = Spool::of(&self.config().data_dir, &record.id);
        spool.remove()?;
        spool.create()?;
        let checkout = Checkout {
            git: self.git(),
            dir: &dir,
        };
        let (state, files) = (spool.scratch(&fresh(STATE)), spool.scratch(&fresh(FILES)));
        let captured = checkout.capture(&state, &files).await?;
        let mut parts = vec![
            spool.store_scratch(&state, STATE).await?,
            spool.store_scratch(&files, FILES).await?,
        ];
        let bundle = spool.scratch(&fresh(REPO));
        let borrowed = spool.scratch(&fresh("objects"));
        let made = self
            .git()
            .bundle(&dir, &captured.cargo, have, &borrowed, &bundle)
            .await;
        remove_dir(&borrowed)?;
        if made? {
            parts.push(spool.store_scratch(&bundle, REPO).await?);
        }
        check_sizes(&parts)?;
        let git = GitState {
            upstream: self.git().upstream(&dir, &captured.branch).await?,
            head: captured.state.branch_commit.clone(),
            branch: captured.branch,
        };
        let journal = self.spool_journal(&spool, &workspace.id).await?;
        let conversation = self.spool_conversation(&spool, &workspace.id).await?;
        let transcripts = self.spool_transcripts(&spool, &workspace.id, &dir).await?;
        let fingerprint = Fingerprint {
            head: git.head.clone(),
            tree: self.git().tree(&dir, &git.head).await?,
            state: captured.print,
            stashes: captured.state.stash_ids(),
            journal: journal.sha256.clone(),
            conversation: conversation.as_ref().map(|part| part.sha256.clone()),
            transcripts: hashes(&transcripts),
        };
        parts.push(journal);
        parts.extend(conversation);
        parts.extend(transcripts);
        let manifest = Manifest {
            format: BUNDLE_FORMAT,
            handoff_id: record.id.clone(),
            from: workspace.owner.clone(),
            to,
            epoch: record.epoch,
            project: self.portable_project(&workspace).await?,
            sessions: self.portable_sessions(&workspace.id).await?,
            workspace: portable(workspace),
            git,
            fingerprint,
            parts,
        };
        reach(Point::Spooled);
        self.store()
            .set_handoff_manifest(&record.id, &manifest)
            .await?;
        reach(Point::Noted);
        Ok(manifest)
    }

    async fn spool_journal(&self, spool: &Spool, id: &WorkspaceId) -> Result<Part> {
        let scratch = spool.scratch(&fresh(JOURNAL));
        let (mut lines, mut after) = (Vec::new(), 0);
        let mut file =
            std::fs::File::create(&scratch).context(|| "cannot write the journal".to_owned())?;
        loop {
            let entries = self.store().entries(id, None, after, 1000).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            lines.clear();
            for entry in &entries {
                serde_json::to_writer(&mut lines, entry).map_err(|source| Error::Data {
                    what: "a journal entry".to_owned(),
                    source,
                })?;
                lines.push(b'\n');
            }
            std::io::Write::write_all(&mut file, &lines)
                .context(|| "cannot write the journal".to_owned())?;
        }
        spool.store_scratch(&scratch, JOURNAL).await
    }

    async fn spool_transcripts(
        &self,
        spool: &Spool,
        id: &WorkspaceId,
        dir: &Path,
    ) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for session in self.store().sessions(id).await? {
            let files = transcript::transcript_files(
                &self.config().home,
                dir,
                &session.provider_session_id,
            );
            for (name, path) in files {
                let file = tokio::fs::File::open(&path)
                    .await
                    .context(|| format!("cannot read {}", path.display()))?;
                parts.push(
                    spool
                        .store(&format!("{TRANSCRIPTS}{name}"), MAX_PART, file)
                        .await?,
                );
            }
        }
        Ok(parts)
    }

    async fn portable_sessions(&self, id: &WorkspaceId) -> Result<Vec<Session>> {
        let mut sessions = self.store().sessions(id).await?;
        for session in &mut sessions {
            if session.status == SessionStatus::Running {
                session.status = SessionStatus::Idle;
            }
            session.activity = Activity::Idle;
        }
        Ok(sessions)
    }

    async fn portable_project(&self, workspace: &Workspace) -> Result<Project> {
        let mut project = self.known_project(&workspace.project_id).await?;
        project.repo_path.clear();
        project.worktree_base_path.clear();
        Ok(project)
    }
}

/// Refuses what the other side would not take.
fn check_sizes(parts: &[Part]) -> Result<()> {
    match parts.iter().find(|part| part.size > MAX_PART) {
        None => Ok(()),
        Some(part) => {
            let (name, size) = (&part.name, part.size);
            let detail =
                format!("{name} of the bundle has {size} bytes, at most {MAX_PART} can move");
            Err(Error::refused(ErrorCode::TooLarge, detail)
                .hint("push what is committed, and have git ignore what need not move"))
        }
    }
}

/// A name that no earlier attempt, perhaps still running, writes to.
fn fresh(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}

pub(super) fn hashes(parts: &[Part]) -> BTreeMap<String, String> {
    parts
        .iter()
        .map(|part| (part.name.clone(), part.sha256.clone()))
        .collect()
}

/// The workspace without what means something on this machine only.
fn portable(mut workspace: Workspace) -> Workspace {
    workspace.worktree_path = None;
    workspace.handoff_id = None;
    workspace.ratchet.active_session_id = None;
    workspace.init.script_pid = None;
    workspace.run_script.pid = None;
    workspace.run_script.port = None;
    workspace.run_script.started_at = None;
    workspace.run_script.status = RunScriptStatus::Idle;
    workspace
}
