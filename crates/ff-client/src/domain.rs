//! Calls on projects and workspaces themselves.

use ff_protocol::project::{CreateProject, Project, UpdateProject};
use ff_protocol::workspace::{
    ArchiveWorkspace, CreateWorkspace, InitReport, RenameWorkspace, RunScriptLogs, Workspace,
};
use ff_protocol::{ProjectId, WorkspaceId};
use reqwest::Method;

use crate::engine::EngineClient;
use crate::error::Result;
use crate::http::{LONG, WAKE};

impl EngineClient {
    /// The projects of the machine.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        self.http.all(&self.read("/api/projects".into())).await
    }

    /// Makes a repository known, by its absolute path on the engine's machine.
    pub async fn create_project(&self, create: &CreateProject) -> Result<Project> {
        self.http.post("/api/projects", create, WAKE).await
    }

    /// Changes a project.
    pub async fn update_project(&self, id: &ProjectId, update: &UpdateProject) -> Result<Project> {
        let path = format!("/api/projects/{id}");
        let request = self.http.request(Method::PATCH, &path).json(update);
        self.http.send(request, WAKE).await
    }

    /// Enters a workspace and begins to make it; [`Self::workspace_init`] tells how that goes.
    pub async fn create_workspace(&self, create: &CreateWorkspace) -> Result<Workspace> {
        self.http.post("/api/workspaces", create, WAKE).await
    }

    /// Where the making of a workspace stands. A read, as [`Self::sessions`].
    pub async fn workspace_init(&self, id: &WorkspaceId) -> Result<InitReport> {
        self.http.get(&self.read(path(id, "/init")), WAKE).await
    }

    /// Tries again to make a workspace.
    pub async fn retry_workspace(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.http.post_empty(&path(id, "/retry"), WAKE).await
    }

    /// Forgets the warning that its making ended with.
    pub async fn dismiss_warning(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.http.post_empty(&path(id, "/dismiss"), WAKE).await
    }

    /// Gives a workspace another name.
    pub async fn rename_workspace(&self, id: &WorkspaceId, name: &str) -> Result<Workspace> {
        let rename = RenameWorkspace {
            name: name.to_owned(),
        };
        let request = self.http.request(Method::PATCH, &path(id, ""));
        self.http.send(request.json(&rename), WAKE).await
    }

    /// Puts a workspace away.
    pub async fn archive_workspace(
        &self,
        id: &WorkspaceId,
        how: &ArchiveWorkspace,
    ) -> Result<Workspace> {
        self.http.post(&path(id, "/archive"), how, LONG).await
    }

    /// Removes a workspace with its records and its worktree.
    pub async fn delete_workspace(&self, id: &WorkspaceId) -> Result<()> {
        let request = self.http.request(Method::DELETE, &path(id, ""));
        self.http.unit(request, LONG).await
    }

    /// Starts the run script of a workspace.
    pub async fn start_run_script(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.http.post_empty(&path(id, "/run/start"), WAKE).await
    }

    /// Stops the run script of a workspace.
    pub async fn stop_run_script(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.http.post_empty(&path(id, "/run/stop"), WAKE).await
    }

    /// The run script of a workspace with what it printed. A read, as [`Self::sessions`].
    pub async fn run_script_logs(&self, id: &WorkspaceId) -> Result<RunScriptLogs> {
        self.http.get(&self.read(path(id, "/run")), WAKE).await
    }
}

fn path(id: &WorkspaceId, rest: &str) -> String {
    format!("/api/workspaces/{id}{rest}")
}
