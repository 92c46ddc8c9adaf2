//! What run scripts printed, for who asks when they have ended.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "workspace_run_outputs";
        let outputs = Table::create()
            .table(table)
            .col(string("workspace_id").primary_key().to_owned())
            .col(text("run"))
            .col(text("post_run"))
            .foreign_key(
                ForeignKey::create()
                    .from(table, "workspace_id")
                    .to("workspaces", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(outputs).await
    }
}
