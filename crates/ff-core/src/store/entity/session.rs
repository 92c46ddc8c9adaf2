//! Table `sessions`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workspace_id: String,
    pub name: Option<String>,
    pub workflow: String,
    pub model: Option<String>,
    pub permissions: String,
    pub status: String,
    pub activity: String,
    pub last_turn: Option<String>,
    pub error: Option<String>,
    pub provider_session_id: String,
    pub permission_mode: String,
    pub thinking_tokens: Option<i32>,
    pub fork_of: Option<String>,
    pub queued: i32,
    pub held: bool,
    pub login_required: Option<String>,
    pub warning: Option<String>,
    pub total_cost_usd: Option<f64>,
    pub process: Option<String>,
    pub closed_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
