//! Projects.

use ff_protocol::ProjectId;
use ff_protocol::project::{Project, StartupScript};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::project;
use super::{Store, text};
use crate::error::{Error, Result};

impl Store {
    /// Adds a project.
    pub async fn insert_project(&self, project: &Project) -> Result<()> {
        project::Entity::insert(row(project)?)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }

    /// Writes what a user may change of a project.
    pub async fn update_project(&self, project: &Project) -> Result<()> {
        project::Entity::update(row(project)?)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }

    /// A project by its id.
    pub async fn project(&self, id: &ProjectId) -> Result<Option<Project>> {
        let row = project::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        row.map(Project::try_from).transpose()
    }

    /// All projects, oldest first.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        let rows = project::Entity::find()
            .order_by_asc(project::Column::CreatedAt)
            .all(&self.db);
        rows.await?.into_iter().map(Project::try_from).collect()
    }

    /// The project whose main checkout is at this path.
    pub async fn project_at(&self, repo_path: &str) -> Result<Option<Project>> {
        let query = project::Entity::find().filter(project::Column::RepoPath.eq(repo_path));
        query
            .one(&self.db)
            .await?
            .map(Project::try_from)
            .transpose()
    }

    /// Whether a slug is taken.
    pub async fn slug_taken(&self, slug: &str) -> Result<bool> {
        let query = project::Entity::find().filter(project::Column::Slug.eq(slug));
        Ok(query.one(&self.db).await?.is_some())
    }

    /// Removes a project that has no workspaces.
    pub async fn delete_project(&self, id: &ProjectId) -> Result<()> {
        project::Entity::delete_by_id(id.as_str())
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

pub(super) fn row(project: &Project) -> Result<project::ActiveModel> {
    let p = project.clone();
    Ok(project::ActiveModel {
        id: Set(p.id.into()),
        name: Set(p.name),
        slug: Set(p.slug),
        repo_path: Set(p.repo_path),
        worktree_base_path: Set(p.worktree_base_path),
        default_branch: Set(p.default_branch),
        github_owner: Set(p.github_owner),
        github_repo: Set(p.github_repo),
        is_archived: Set(p.is_archived),
        issue_provider: Set(text::name(&p.issue_provider)?),
        startup_script_command: Set(p.startup.command),
        startup_script_path: Set(p.startup.path),
        startup_script_timeout: Set(p.startup.timeout_secs.into()),
        created_at: Set(p.created_at),
        updated_at: Set(p.updated_at),
    })
}

impl TryFrom<project::Model> for Project {
    type Error = Error;
    fn try_from(row: project::Model) -> Result<Self> {
        Ok(Self {
            id: text::parse(row.id)?,
            name: row.name,
            slug: row.slug,
            repo_path: row.repo_path,
            worktree_base_path: row.worktree_base_path,
            default_branch: row.default_branch,
            github_owner: row.github_owner,
            github_repo: row.github_repo,
            is_archived: row.is_archived,
            issue_provider: text::parse(row.issue_provider)?,
            startup: StartupScript {
                command: row.startup_script_command,
                path: row.startup_script_path,
                timeout_secs: u32::try_from(row.startup_script_timeout)
                    .unwrap_or(StartupScript::DEFAULT_TIMEOUT),
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
