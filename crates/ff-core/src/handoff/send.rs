//! A workspace leaves: the checks, the mark that it moves, the end.

use std::path::{Path, PathBuf};

use ff_protocol::handoff::{Export, Manifest, Plan};
use ff_protocol::session::Activity;
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, HandoffId, WorkspaceId};

use super::Outgoing;
use super::fault::{Point, reach};
use super::spool::Spool;
use super::state::{Checkout, Survey};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::git::Remote;
use crate::store::{HandoffRecord, Role};
use crate::workspace::ensure_owned;

/// Workflow of the ratchet's sessions.
const RATCHET: &str = "ratchet";

impl Core {
    /// As [`Core::handoff_mark_send`], and ends what runs in the workspace.
    ///
    /// # Errors
    /// As there.
    pub async fn handoff_begin_send(&self, id: &WorkspaceId, interrupt: bool) -> Result<Outgoing> {
        let outgoing = self.handoff_mark_send(id, interrupt).await?;
        self.end_all(id).await?;
        reach(Point::Quiet);
        Ok(outgoing)
    }

    /// Checks that a workspace can leave this desktop and marks it as moving, durably. An earlier
    /// unfinished send is taken up under its id. What runs in it is to be ended next, by whoever
    /// runs it; turns are cut then, if `interrupt`.
    ///
    /// # Errors
    /// `not_owner`, `ratchet_active`, `turn_active`, `conflict` (what cannot move, by name; a
    /// remote that no VM can clone), `too_large`.
    pub async fn handoff_mark_send(&self, id: &WorkspaceId, interrupt: bool) -> Result<Outgoing> {
        let earlier = self.unfinished_of(id, Role::Sender).await?;
        let workspace = match &earlier {
            Some(_) => self.workspace(id).await?,
            None => ensure_owned(self.store(), self.owner(), id).await?,
        };
        let project = self.known_project(&workspace.project_id).await?;
        let dir = worktree(&workspace)?;
        self.check_sessions(&workspace, interrupt).await?;
        let survey = self.check_can_leave(&workspace, &dir).await?;
        let remote = match self.git().remote_url(&dir).await? {
            None => None,
            Some(url) => {
                let Some(clean) = Remote::parse(&url) else {
                    let detail = "the remote is no address that a VM can clone from";
                    return Err(Error::refused(ErrorCode::Conflict, detail).hint(
                        "give it an https, ssh or git@host:path address with `git remote set-url`",
                    ));
                };
                Some(clean.remote)
            }
        };
        let mut warnings = survey.notes;
        let git_identity = self.git().identity(&dir).await?;
        if git_identity.is_none() {
            warnings.push(
                "git has no user.name and user.email here, so none travel to the VM".to_owned(),
            );
        }
        let handoff_id = earlier.map_or_else(HandoffId::generate, |record| record.id);
        let epoch = workspace.epoch;
        self.mark(&workspace, &handoff_id, epoch + 1).await?;
        let plan = Plan {
            workspace_id: workspace.id.clone(),
            workspace_name: workspace.name.clone(),
            project_id: project.id,
            project_name: project.name,
            remote_url: remote.map(|remote| remote.url()),
            default_branch: project.default_branch,
            branch: survey.branch,
            git_identity,
            keep_both: false,
        };
        let desktop_id = self.store().installation_id().await?;
        Ok(Outgoing {
            handoff_id,
            workspace,
            plan,
            epoch,
            desktop_id,
            warnings,
        })
    }

    /// Spools the bundle of a workspace that leaves this desktop, against the commits the VM has.
    pub async fn handoff_spool(&self, id: &HandoffId, have: &[String]) -> Result<Manifest> {
        let record = self.open_handoff(id, Role::Sender).await?;
        let (core, have) = (self.clone(), have.to_vec());
        let workspace = record.workspace_id.clone();
        self.in_turn(&workspace, async move {
            let record = core.open_handoff(&record.id, Role::Sender).await?;
            match core.still_spooled(&record).await? {
                Some(manifest) => Ok(manifest),
                None => core.spool(&record, Owner::Cloud, &have).await,
            }
        })
        .await
    }

    /// Checks, marks and spools in one step: a workspace leaves a VM. The same id again gives
    /// the same manifest, while the workspace is what was spooled.
    ///
    /// # Errors
    /// As [`Core::handoff_begin_send`]; `conflict` when the epoch is not the workspace's.
    pub async fn handoff_export(&self, id: &HandoffId, export: &Export) -> Result<Manifest> {
        let (core, id, asked) = (self.clone(), id.clone(), export.clone());
        self.in_turn(&export.workspace_id, async move {
            core.export(&id, &asked).await
        })
        .await
    }

    async fn export(&self, id: &HandoffId, export: &Export) -> Result<Manifest> {
        let workspace = &export.workspace_id;
        self.check_stands_for(
            id,
            Role::Sender,
            (workspace, export.epoch.saturating_add(1)),
        )
        .await?;
        self.end_others(&export.workspace_id, id, (export.epoch, true))
            .await?;
        if let Some(record) = self.store().handoff(id).await?
            && let Some(manifest) = self.still_spooled(&record).await?
        {
            return Ok(manifest);
        }
        let workspace = self.workspace(&export.workspace_id).await?;
        if workspace.handoff_id.as_ref() != Some(id) {
            ensure_owned(self.store(), self.owner(), &workspace.id).await?;
        }
        if workspace.epoch != export.epoch {
            let detail = format!(
                "workspace {} is at epoch {}, not {}",
                workspace.name, workspace.epoch, export.epoch
            );
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        self.check_sessions(&workspace, export.interrupt).await?;
        self.check_can_leave(&workspace, &worktree(&workspace)?)
            .await?;
        self.leave(&workspace, id, workspace.epoch + 1).await?;
        let record = self.open_handoff(id, Role::Sender).await?;
        self.spool(&record, export.to.clone(), &export.have).await
    }

    /// What was spooled before, if it is whole and still what the workspace is: making it twice
    /// gives other bytes.
    async fn still_spooled(&self, record: &HandoffRecord) -> Result<Option<Manifest>> {
        let Some(manifest) = &record.manifest else {
            return Ok(None);
        };
        let spool = Spool::of(&self.config().data_dir, &record.id);
        for part in &manifest.parts {
            let there = std::fs::metadata(spool.part(&part.sha256)?).map(|meta| meta.len());
            if there.ok() != Some(part.size) {
                return Ok(None);
            }
        }
        match self.handoff_unchanged(&record.id).await {
            Ok(()) => Ok(Some(manifest.clone())),
            Err(error) if error.code() == ErrorCode::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Path of a spooled part.
    ///
    /// # Errors
    /// `not_found` when there is no such part.
    pub async fn handoff_part(&self, id: &HandoffId, sha256: &str) -> Result<PathBuf> {
        self.open_handoff(id, Role::Sender).await?;
        let path = Spool::of(&self.config().data_dir, id).part(sha256)?;
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::refused(
            ErrorCode::NotFound,
            format!("the bundle has no part {sha256}"),
        ))
    }

    /// Checks, right before the commit, that the workspace is still what was spooled.
    ///
    /// # Errors
    /// `conflict` when somebody changed it meanwhile.
    pub async fn handoff_unchanged(&self, id: &HandoffId) -> Result<()> {
        let record = self.open_handoff(id, Role::Sender).await?;
        let workspace = self.workspace(&record.workspace_id).await?;
        let dir = worktree(&workspace)?;
        self.check_sessions(&workspace, false).await?;
        let checkout = Checkout {
            git: self.git(),
            dir: &dir,
        };
        if let Some(manifest) = record.manifest
            && checkout
                .is_still(&manifest.git, &manifest.fingerprint)
                .await?
        {
            return Ok(());
        }
        let detail = format!(
            "workspace {} changed while it was being moved",
            workspace.name
        );
        Err(Error::refused(ErrorCode::Conflict, detail).hint("run the same command again"))
    }

    async fn leave(&self, workspace: &Workspace, id: &HandoffId, epoch: u64) -> Result<()> {
        self.mark(workspace, id, epoch).await?;
        self.end_all(&workspace.id).await?;
        reach(Point::Quiet);
        Ok(())
    }

    async fn mark(&self, workspace: &Workspace, id: &HandoffId, epoch: u64) -> Result<()> {
        let record = HandoffRecord {
            id: id.clone(),
            workspace_id: workspace.id.clone(),
            project_id: workspace.project_id.clone(),
            role: Role::Sender,
            epoch,
            manifest: None,
            committed: None,
        };
        let begun = self
            .store()
            .begin_handoff(&record, &workspace.owner, workspace.epoch)
            .await?;
        if !begun {
            return Err(already_moving(workspace));
        }
        reach(Point::Marked);
        Ok(())
    }

    pub(super) async fn check_can_leave(
        &self,
        workspace: &Workspace,
        dir: &Path,
    ) -> Result<Survey> {
        let name = &workspace.name;
        if workspace.status != WorkspaceStatus::Ready {
            let status = crate::workspace::state::name(workspace.status);
            let detail = format!("workspace {name} is {status}: only one that is READY can move");
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        let checkout = Checkout {
            git: self.git(),
            dir,
        };
        checkout.survey().await
    }

    /// Checks that no session keeps a workspace from leaving: a live one of the ratchet always does,
    /// another one while its turn runs, unless that may be interrupted. Rows also tell of sessions
    /// that other processes run; what they say of processes that are gone does not count.
    async fn check_sessions(&self, workspace: &Workspace, interrupt: bool) -> Result<()> {
        let name = &workspace.name;
        let mut busy = self.sessions().workspace_busy(&workspace.id);
        for session in self.store().sessions(&workspace.id).await? {
            if !self.sessions().lives(&session).await? {
                continue;
            }
            if session.workflow == RATCHET {
                let detail = format!(
                    "the ratchet works on workspace {name}, in session {}",
                    session.id
                );
                return Err(Error::refused(ErrorCode::RatchetActive, detail)
                    .hint("wait for it to end, or stop it with `ff session stop`"));
            }
            busy |= session.activity != Activity::Idle;
        }
        if busy && !interrupt {
            let detail = format!("a session of workspace {name} is in the middle of a turn");
            return Err(Error::refused(ErrorCode::TurnActive, detail)
                .hint("wait for it, or interrupt it: `--interrupt`"));
        }
        Ok(())
    }

    /// Frees what a sender holds; the copy stays, off its branch, when the workspace has left.
    pub(super) async fn sender_finish(
        &self,
        record: &HandoffRecord,
        committed: bool,
    ) -> Result<()> {
        let workspace = self.workspace(&record.workspace_id).await?;
        if committed {
            let Some(manifest) = &record.manifest else {
                return Err(committed_too_early(&record.id));
            };
            // A directory that was deleted meanwhile has no branch to give free.
            if let Ok(dir) = worktree(&workspace) {
                let left = (record.epoch, &*manifest.git.head);
                let copy = self.note_copy(&workspace, &dir, left).await?;
                reach(Point::Retained);
                if let Some(copy) = &copy {
                    self.let_go(&workspace.id, &dir, copy).await?;
                }
            }
            reach(Point::Detached);
            let moved = Some((&manifest.to, record.epoch));
            self.store()
                .release_workspace(&workspace.id, &record.id, moved)
                .await?;
            reach(Point::Released);
        } else {
            self.store()
                .release_workspace(&workspace.id, &record.id, None)
                .await?;
        }
        Ok(())
    }
}

fn already_moving(workspace: &Workspace) -> Error {
    let detail = format!("workspace {} is already being moved", workspace.name);
    Error::refused(ErrorCode::HandoffActive, detail)
}

pub(super) fn committed_too_early(id: &HandoffId) -> Error {
    let detail = format!("hand-off {id} was committed before its bundle was complete");
    Error::refused(ErrorCode::Conflict, detail)
}

pub(super) fn worktree(workspace: &Workspace) -> Result<PathBuf> {
    match &workspace.worktree_path {
        Some(path) if Path::new(path).is_dir() => Ok(PathBuf::from(path)),
        _ => {
            let detail = format!("workspace {} has no directory here", workspace.name);
            Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("restore it with `git worktree add`"))
        }
    }
}
