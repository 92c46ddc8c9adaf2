//! Table `projects`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub slug: String,
    pub repo_path: String,
    pub worktree_base_path: String,
    pub default_branch: String,
    pub github_owner: Option<String>,
    pub github_repo: Option<String>,
    pub is_archived: bool,
    pub issue_provider: String,
    pub startup_script_command: Option<String>,
    pub startup_script_path: Option<String>,
    pub startup_script_timeout: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
