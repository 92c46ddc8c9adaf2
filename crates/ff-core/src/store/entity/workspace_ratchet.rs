//! Table `workspace_ratchets`.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "workspace_ratchets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: String,
    pub enabled: bool,
    pub last_checked_at: Option<DateTimeUtc>,
    pub active_session_id: Option<String>,
    pub dispatch_snapshot_key: Option<String>,
    pub dispatch_outcome: Option<String>,
    pub dispatch_retry_count: i64,
    pub dispatch_stalled: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
