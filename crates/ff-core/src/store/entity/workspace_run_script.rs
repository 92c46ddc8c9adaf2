//! Table `workspace_run_scripts`.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "workspace_run_scripts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: String,
    pub command: Option<String>,
    pub post_run_command: Option<String>,
    pub cleanup_command: Option<String>,
    pub pid: Option<i64>,
    pub process: Option<String>,
    pub port: Option<i64>,
    pub started_at: Option<DateTimeUtc>,
    pub status: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
