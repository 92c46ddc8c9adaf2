//! Copies of workspaces that other sides own.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, string, string_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let retained = Table::create()
            .table("retained")
            .col(string("workspace_id").primary_key().to_owned())
            .col(string("branch"))
            .col(string("head"))
            .col(big_integer("epoch"))
            .col(string_null("look"))
            .col(string_null("restored_as"))
            .col(timestamp_with_time_zone("left_at"))
            .col(timestamp_with_time_zone_null("kept_until"))
            .foreign_key(
                ForeignKey::create()
                    .from("retained", "workspace_id")
                    .to("workspaces", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(retained).await
    }
}
