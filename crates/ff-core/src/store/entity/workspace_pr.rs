//! Table `workspace_prs`.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "workspace_prs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: String,
    pub url: Option<String>,
    pub number: Option<i64>,
    pub state: String,
    pub review_state: Option<String>,
    pub ci_status: String,
    pub has_merge_conflict: bool,
    pub synced_at: Option<DateTimeUtc>,
    pub discovery_last_checked_at: Option<DateTimeUtc>,
    pub discovery_retry_count: i64,
    pub discovery_next_check_at: Option<DateTimeUtc>,
    pub ci_failed_at: Option<DateTimeUtc>,
    pub ci_last_notified_at: Option<DateTimeUtc>,
    pub review_last_checked_at: Option<DateTimeUtc>,
    pub review_last_comment_id: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
