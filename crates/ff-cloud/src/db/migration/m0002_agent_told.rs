//! Whether the agent has heard how a hand-off ended.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Handoffs {
    Table,
    AgentTold,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let told = boolean(Handoffs::AgentTold).default(false).take();
        let table = Table::alter()
            .table(Handoffs::Table)
            .add_column(told)
            .to_owned();
        manager.alter_table(table).await
    }
}
