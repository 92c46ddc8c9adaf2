//! What a VM did over a time.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_intervals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub vm_id: String,
    pub user_id: String,
    /// `awake`, `frozen` or `stopped`.
    pub kind: String,
    /// Why it woke.
    pub cause: Option<String>,
    pub started_at: DateTimeUtc,
    /// Null while it lasts.
    pub ended_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
