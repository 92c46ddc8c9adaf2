//! Workspaces that come, parents before children.

use ff_protocol::WorkspaceId;
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    sea_query::OnConflict,
};

use super::super::entity::{
    project, terminal_session, workspace, workspace_init_output, workspace_pr, workspace_ratchet,
    workspace_run_script,
};
use super::super::workspace_rows::{assemble, insert_rows, update_rows};
use super::{IncomingWorkspace, Merge, TerminalRow};
use crate::backup::report::Fate;
use crate::error::Result;

const KIND: &str = "workspace";

impl Merge<'_> {
    pub(super) async fn workspaces(&mut self, incoming: Vec<IncomingWorkspace>) -> Result<()> {
        let has_parent = |w: &IncomingWorkspace| w.workspace.parent_workspace_id.is_some();
        let (children, parents): (Vec<_>, Vec<_>) = incoming.into_iter().partition(has_parent);
        for workspace in parents.into_iter().chain(children) {
            let fate = self.workspace(workspace).await?;
            self.report.workspaces.count(fate);
        }
        Ok(())
    }

    async fn workspace(&mut self, incoming: IncomingWorkspace) -> Result<Fate> {
        let IncomingWorkspace {
            mut workspace,
            init_output,
        } = incoming;
        let id = workspace.id.clone();
        if let Some(missing) = self.missing_parent(&workspace).await? {
            self.report.note(KIND, &id, missing);
            return Ok(Fate::Skipped);
        }
        let worktree = workspace.worktree_path.as_deref();
        if let Some(path) = worktree
            && self.is_taken(path, &id).await?
        {
            let text = format!("its worktree {path} is another workspace's; it has none here");
            self.report.note(KIND, &id, text);
            workspace.worktree_path = None;
        }
        let fate = match self.known(&id).await? {
            None => {
                workspace.owner = self.owner.clone();
                workspace.location = workspace.owner.location();
                insert_rows(self.tx, &workspace, uuid::Uuid::now_v7().to_string()).await?;
                Fate::Imported
            }
            Some(ours) => {
                if let Some(why) = stays(&ours, self.owner) {
                    self.report.note(KIND, &id, why);
                    return Ok(Fate::Skipped);
                }
                self.open.insert(id.clone());
                if !is_newer(&workspace, &ours) {
                    return Ok(Fate::Skipped);
                }
                workspace.worktree_path = workspace.worktree_path.or(ours.worktree_path);
                update_rows(self.tx, &workspace).await?;
                Fate::Updated
            }
        };
        if let Some(output) = init_output {
            self.init_output(&id, output).await?;
        }
        self.open.insert(id.clone());
        self.changed.insert(id);
        Ok(fate)
    }

    /// Why the workspace has nothing to belong to.
    async fn missing_parent(&self, workspace: &Workspace) -> Result<Option<String>> {
        let project = &workspace.project_id;
        let found = project::Entity::find_by_id(project.as_str());
        if found.count(self.tx).await? == 0 {
            return Ok(Some(format!("its project {project} is missing")));
        }
        let Some(parent) = &workspace.parent_workspace_id else {
            return Ok(None);
        };
        let found = workspace::Entity::find_by_id(parent.as_str());
        let missing = found.count(self.tx).await? == 0;
        Ok(missing.then(|| format!("its parent workspace {parent} is missing")))
    }

    async fn is_taken(&self, worktree: &str, id: &WorkspaceId) -> Result<bool> {
        let others = workspace::Entity::find()
            .filter(workspace::Column::WorktreePath.eq(worktree))
            .filter(workspace::Column::Id.ne(id.as_str()));
        Ok(others.count(self.tx).await? > 0)
    }

    async fn known(&self, id: &WorkspaceId) -> Result<Option<Workspace>> {
        let id = id.as_str();
        let Some(row) = workspace::Entity::find_by_id(id).one(self.tx).await? else {
            return Ok(None);
        };
        let pr = workspace_pr::Entity::find_by_id(id).one(self.tx).await?;
        let ratchet = workspace_ratchet::Entity::find_by_id(id)
            .one(self.tx)
            .await?;
        let script = workspace_run_script::Entity::find_by_id(id)
            .one(self.tx)
            .await?;
        assemble(row, pr, ratchet, script).map(Some)
    }

    async fn init_output(&self, id: &WorkspaceId, output: String) -> Result<()> {
        let row = workspace_init_output::ActiveModel {
            workspace_id: Set(id.to_string()),
            output: Set(output),
        };
        let replace = OnConflict::column(workspace_init_output::Column::WorkspaceId)
            .update_column(workspace_init_output::Column::Output)
            .to_owned();
        workspace_init_output::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(self.tx)
            .await?;
        Ok(())
    }

    pub(super) async fn terminal(&mut self, terminal: TerminalRow) -> Result<()> {
        let id = terminal.id.to_string();
        let fate = self.terminal_fate(terminal, &id).await?;
        self.report.terminal_sessions.count(fate);
        Ok(())
    }

    async fn terminal_fate(&mut self, terminal: TerminalRow, id: &str) -> Result<Fate> {
        if !self.belongs("terminal", id, &terminal.workspace_id) {
            return Ok(Fate::Skipped);
        }
        let known = terminal_session::Entity::find_by_id(id)
            .one(self.tx)
            .await?;
        let row = terminal_session::ActiveModel {
            id: Set(id.to_owned()),
            workspace_id: Set(terminal.workspace_id.into()),
            name: Set(terminal.name),
            status: Set(terminal.status),
            created_at: Set(terminal.created_at),
            updated_at: Set(terminal.updated_at),
        };
        match known {
            None => {
                row.insert(self.tx).await?;
                Ok(Fate::Imported)
            }
            Some(ours) if ours.updated_at < terminal.updated_at => {
                row.update(self.tx).await?;
                Ok(Fate::Updated)
            }
            Some(_) => Ok(Fate::Skipped),
        }
    }

    /// Whether the workspace of a record is here and may be changed.
    pub(super) fn belongs(&mut self, kind: &'static str, id: &str, to: &WorkspaceId) -> bool {
        let open = self.open.contains(to);
        if !open {
            let text = format!("its workspace {to} was left out, or is not ours to change");
            self.report.note(kind, id, text);
        }
        open
    }
}

/// Why what is known of the workspace here is not to be changed.
fn stays(ours: &Workspace, owner: &Owner) -> Option<&'static str> {
    use WorkspaceStatus::{Archiving, New, Provisioning};
    if ours.owner != *owner || ours.handoff_id.is_some() {
        return Some("it has been moved, or is being moved; it stays as it is");
    }
    let busy = matches!(ours.status, New | Provisioning | Archiving);
    busy.then_some("it is being made or put away here; it stays as it is")
}

/// Whether the workspace or its pull request changed there since it last did here, or a worktree
/// that is missing here has turned up.
fn is_newer(theirs: &Workspace, ours: &Workspace) -> bool {
    theirs.updated_at > ours.updated_at
        || theirs.pr.synced_at > ours.pr.synced_at
        || (ours.worktree().is_none() && theirs.worktree().is_some())
}
