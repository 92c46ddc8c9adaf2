//! What a backup of the original application has beside projects, workspaces and sessions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string, string_null, text, text_null, timestamp_with_time_zone};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn belonging(
    table: &'static str,
    (column, parent): (&'static str, &'static str),
) -> TableCreateStatement {
    Table::create()
        .table(table)
        .foreign_key(
            ForeignKey::create()
                .from(table, column)
                .to(parent, "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            belonging("project_trackers", ("project_id", "projects"))
                .col(string("project_id").primary_key().to_owned())
                .col(text("config"))
                .to_owned(),
            belonging("session_origins", ("session_id", "sessions"))
                .col(string("session_id").primary_key().to_owned())
                .col(string("kind"))
                .col(string("provider"))
                .col(text_null("project_path"))
                .col(text_null("metadata"))
                .to_owned(),
            belonging("terminal_sessions", ("workspace_id", "workspaces"))
                .col(string("id").primary_key().to_owned())
                .col(string("workspace_id"))
                .col(string_null("name"))
                .col(string("status"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
            Table::create()
                .table("user_settings")
                .col(string("user_id").primary_key().to_owned())
                .col(text("settings"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
