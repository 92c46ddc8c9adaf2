//! A workspace in the server's mirror.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workspaces")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub vm_id: String,
    pub name: String,
    pub project_name: String,
    pub branch_name: String,
    /// `cloud` or `desktop:<id>`.
    pub owner: String,
    pub epoch: i64,
    /// The hand-off under way, if any.
    pub handoff_id: Option<String>,
    /// What else the mirror shows, as JSON text.
    pub metadata: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
