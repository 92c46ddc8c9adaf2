//! What a crash left half-way, brought to rest.

use std::time::Duration;

use ff_protocol::workspace::WorkspaceStatus::{Archiving, Failed, New, Provisioning};
use ff_protocol::workspace::{ArchiveWorkspace, Workspace};

use super::script;
use crate::clock;
use crate::core::Core;
use crate::error::Result;
use crate::processes::{mark, marked};
use crate::store::Writes;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// A workspace whose maker nobody wrote down counts as left behind after so long.
const NOBODY: Duration = Duration::from_secs(10 * 60);
const INTERRUPTED: &str = "its making was interrupted (try again with `ff workspace retry`)";

impl Core {
    /// Ends what a process that is gone left half-way: scripts that run on are ended, what was
    /// being made is `FAILED`, what was being put away is put away. For the one process that runs
    /// sessions; others may be making workspaces meanwhile.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recover_workspaces(&self) -> Result<()> {
        self.recover_run_scripts().await?;
        self.recover_half_way().await
    }

    /// Looks after workspaces until this core is shut down: makes those that are `NEW`, and
    /// recovers what others leave half-way, now and every five minutes. For an engine that stays.
    pub fn keep_workspaces(&self) {
        self.lives().stay();
        let core = self.clone();
        self.tasks().spawn(async move {
            loop {
                if let Err(error) = core.reconcile().await {
                    tracing::warn!(?error, "workspaces cannot be looked after");
                }
                let stop = core.lives().stop.clone();
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    async fn reconcile(&self) -> Result<()> {
        self.recover_half_way().await?;
        for workspace in self.store().workspaces_with(&[New]).await? {
            if super::ensure_ours(&workspace, self.owner()).is_ok() {
                self.begin_init(&workspace.id);
            }
        }
        Ok(())
    }

    async fn recover_half_way(&self) -> Result<()> {
        let half_way = self
            .store()
            .workspaces_with(&[Provisioning, Archiving])
            .await?;
        for workspace in half_way {
            let ours = super::ensure_ours(&workspace, self.owner()).is_ok();
            if !ours || !self.is_left(&workspace).await? {
                continue;
            }
            tracing::warn!(workspace = %workspace.id, status = ?workspace.status, "left half-way");
            let recovered = match workspace.status {
                Provisioning => self.fail_left(&workspace).await,
                _ => self.finish_left(&workspace).await,
            };
            if let Err(error) = recovered {
                tracing::error!(workspace = %workspace.id, ?error, "not recovered");
            }
        }
        Ok(())
    }

    /// Whether nobody acts on a workspace any more.
    async fn is_left(&self, workspace: &Workspace) -> Result<bool> {
        if self.lives().is_held(&workspace.id) {
            return Ok(false);
        }
        if let Some(by) = self.store().acting_process(&workspace.id).await? {
            // Of this process, nobody holds it.
            let lives = by.pid != std::process::id() && mark::of(by.pid).as_ref() == Some(&by);
            return Ok(!lives);
        }
        let script = self.store().init_process(&workspace.id).await?;
        if script.is_some_and(|script| mark::of(script.pid).as_ref() == Some(&script)) {
            return Ok(false);
        }
        let since = match workspace.status {
            Provisioning => workspace.init.started_at.unwrap_or(workspace.updated_at),
            _ => workspace.updated_at,
        };
        let age = (clock::now() - since).to_std().unwrap_or_default();
        Ok(age > NOBODY)
    }

    async fn fail_left(&self, workspace: &Workspace) -> Result<()> {
        let id = &workspace.id;
        let Some(_hold) = self.lives().hold(id, "recovered") else {
            return Ok(());
        };
        if let Some(process) = self.store().init_process(id).await? {
            mark::kill_group(&process);
        }
        marked::kill(marked::SCRIPT, &script::mark_of(id, "init")).await;
        self.drop_unregistered(workspace).await;
        let writes = Writes {
            error_message: Some(INTERRUPTED.to_owned()),
            ..Writes::default()
        };
        let way = (Provisioning, Failed);
        self.store()
            .transition(id, self.owner(), way, writes)
            .await?;
        self.sessions().hold_in(id).await
    }

    async fn finish_left(&self, workspace: &Workspace) -> Result<()> {
        let Some(hold) = self.lives().hold(&workspace.id, "put away") else {
            return Ok(());
        };
        let how = ArchiveWorkspace::default();
        self.archive_marked(hold, workspace, how).await.map(drop)
    }
}
