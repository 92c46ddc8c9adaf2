//! What is asked of projects and workspaces themselves, on whichever side holds them.

use std::time::Duration;

use ff_core::Core;
use ff_protocol::WorkspaceId;
use ff_protocol::project::{CreateProject, Project, UpdateProject};
use ff_protocol::workspace::{
    ArchiveWorkspace, CreateWorkspace, InitReport, RunScriptLogs, Workspace, WorkspaceStatus,
};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::wire_name;
use crate::session::host::{Host, Place};

/// An engine of another process is asked this often how far a workspace is.
const BETWEEN: Duration = Duration::from_millis(200);
/// The same of one that is far away.
const BETWEEN_FAR: Duration = Duration::from_secs(1);

impl Host<'_> {
    /// The projects of that side.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn projects(&self) -> anyhow::Result<Vec<Project>> {
        Ok(match self {
            Self::Here(context) => context.store().await?.projects().await?,
            Self::Engine(engine, _) => engine.projects().await?,
        })
    }

    /// Makes a repository known there.
    ///
    /// # Errors
    /// The path is none of a checkout, or that side cannot be asked.
    pub async fn create_project(&self, create: &CreateProject) -> anyhow::Result<Project> {
        Ok(match self {
            Self::Here(context) => context.core().await?.project_create(create).await?,
            Self::Engine(engine, _) => engine.create_project(create).await?,
        })
    }

    /// Changes a project.
    ///
    /// # Errors
    /// A value cannot be, or that side cannot be asked.
    pub async fn update_project(
        &self,
        project: &Project,
        update: &UpdateProject,
    ) -> anyhow::Result<Project> {
        let id = &project.id;
        Ok(match self {
            Self::Here(context) => context.core().await?.project_update(id, update).await?,
            Self::Engine(engine, _) => engine.update_project(id, update).await?,
        })
    }

    /// Enters a workspace and begins to make it.
    ///
    /// # Errors
    /// It cannot be, or that side cannot be asked.
    pub async fn create_workspace(&self, create: CreateWorkspace) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => context.core().await?.workspace_create(create).await?,
            Self::Engine(engine, _) => engine.create_workspace(&create).await?,
        })
    }

    /// The workspace when it is no longer being made.
    ///
    /// # Errors
    /// That side cannot be asked.
    pub async fn settled(&self, id: &WorkspaceId) -> anyhow::Result<Workspace> {
        let (engine, between) = match self {
            Self::Here(context) => return Ok(context.core().await?.workspace_settled(id).await?),
            Self::Engine(engine, Place::Serve(_)) => (engine, BETWEEN),
            Self::Engine(engine, Place::Cloud) => (engine, BETWEEN_FAR),
        };
        loop {
            let now = engine.workspace_init(id).await?.workspace;
            if !matches!(
                now.status,
                WorkspaceStatus::New | WorkspaceStatus::Provisioning
            ) {
                return Ok(now);
            }
            tokio::time::sleep(between).await;
        }
    }

    /// Where the making of a workspace stands.
    ///
    /// # Errors
    /// That side cannot be asked.
    pub async fn init(&self, id: &WorkspaceId) -> anyhow::Result<InitReport> {
        Ok(match self {
            Self::Here(context) => context.core().await?.workspace_init(id).await?,
            Self::Engine(engine, _) => engine.workspace_init(id).await?,
        })
    }

    /// Tries again to make it.
    ///
    /// # Errors
    /// There is nothing to try again, or that side cannot be asked.
    pub async fn retry(&self, id: &WorkspaceId) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => running(context).await?.workspace_retry(id).await?,
            Self::Engine(engine, _) => engine.retry_workspace(id).await?,
        })
    }

    /// Forgets the warning its making ended with.
    ///
    /// # Errors
    /// It is not ready, or that side cannot be asked.
    pub async fn dismiss(&self, id: &WorkspaceId) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => context.core().await?.workspace_dismiss(id).await?,
            Self::Engine(engine, _) => engine.dismiss_warning(id).await?,
        })
    }

    /// Gives it another name.
    ///
    /// # Errors
    /// The name cannot be, or that side cannot be asked.
    pub async fn rename(&self, id: &WorkspaceId, name: &str) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => context.core().await?.workspace_rename(id, name).await?,
            Self::Engine(engine, _) => engine.rename_workspace(id, name).await?,
        })
    }

    /// Puts it away.
    ///
    /// # Errors
    /// It cannot be now, or that side cannot be asked.
    pub async fn archive(
        &self,
        id: &WorkspaceId,
        how: ArchiveWorkspace,
    ) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => running(context).await?.workspace_archive(id, how).await?,
            Self::Engine(engine, _) => engine.archive_workspace(id, &how).await?,
        })
    }

    /// Removes it.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn delete(&self, id: &WorkspaceId) -> anyhow::Result<()> {
        match self {
            Self::Here(context) => running(context).await?.workspace_delete(id).await?,
            Self::Engine(engine, _) => engine.delete_workspace(id).await?,
        }
        Ok(())
    }

    /// Starts its run script.
    ///
    /// # Errors
    /// It has none or it runs already, or that side cannot be asked.
    pub async fn run_start(&self, id: &WorkspaceId) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => running(context).await?.run_script_start(id).await?,
            Self::Engine(engine, _) => engine.start_run_script(id).await?,
        })
    }

    /// Stops its run script.
    ///
    /// # Errors
    /// That side cannot be asked.
    pub async fn run_stop(&self, id: &WorkspaceId) -> anyhow::Result<Workspace> {
        Ok(match self {
            Self::Here(context) => running(context).await?.run_script_stop(id).await?,
            Self::Engine(engine, _) => engine.stop_run_script(id).await?,
        })
    }

    /// Its run script with what that printed.
    ///
    /// # Errors
    /// That side cannot be asked.
    pub async fn run_logs(&self, id: &WorkspaceId) -> anyhow::Result<RunScriptLogs> {
        Ok(match self {
            Self::Here(context) => context.core().await?.run_script_logs(id).await?,
            Self::Engine(engine, _) => engine.run_script_logs(id).await?,
        })
    }
}

/// The core of this process, which then is the one that runs sessions on this machine.
async fn running(context: &Context) -> anyhow::Result<&Core> {
    context.running_core().await
}

/// The error of a workspace that was not made.
pub fn not_made(workspace: &Workspace) -> Option<Failure> {
    if workspace.status == WorkspaceStatus::Ready {
        return None;
    }
    let why = workspace.init.error_message.as_deref();
    let why = why.unwrap_or("nobody said why");
    let status = wire_name(&workspace.status);
    let text = format!("workspace {} is {status}: {why}", workspace.name);
    let failure = Failure::new(Exit::Failed, text);
    Some(failure.next(format!("ff workspace retry {}", workspace.id)))
}
