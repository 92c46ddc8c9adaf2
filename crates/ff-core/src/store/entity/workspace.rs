//! Table `workspaces`.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "workspaces")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: Option<String>,
    pub status: String,
    pub worktree_path: Option<String>,
    pub branch_name: Option<String>,
    pub creation_source: String,
    pub has_had_sessions: bool,
    pub owner: String,
    pub epoch: i64,
    pub handoff_id: Option<String>,
    pub journal_id: String,
    pub is_auto_generated_branch: bool,
    pub creation_metadata: Option<String>,
    pub init_error_message: Option<String>,
    pub init_started_at: Option<DateTimeUtc>,
    pub init_completed_at: Option<DateTimeUtc>,
    pub init_script_pid: Option<i64>,
    pub init_process: Option<String>,
    pub acting_process: Option<String>,
    pub init_retry_count: i64,
    pub github_issue_number: Option<i64>,
    pub github_issue_url: Option<String>,
    pub linear_issue_id: Option<String>,
    pub linear_issue_identifier: Option<String>,
    pub linear_issue_url: Option<String>,
    pub default_session_provider: String,
    pub ratchet_session_provider: String,
    pub parent_workspace_id: Option<String>,
    pub mode: String,
    pub auto_iteration_config: Option<String>,
    pub archiving_from: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
