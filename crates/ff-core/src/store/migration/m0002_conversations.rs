//! What sessions need to survive a crash: their queue, their requests, their process.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    boolean, double_null, integer, integer_null, string, string_null, text, text_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn belongs_to_session(from: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(from, "session_id")
        .to("sessions", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            string("permission_mode").default("default").to_owned(),
            integer_null("thinking_tokens"),
            string_null("fork_of"),
            integer("queued").default(0).to_owned(),
            boolean("held").default(false).to_owned(),
            text_null("warning"),
            double_null("total_cost_usd"),
            text_null("process"),
            timestamp_with_time_zone_null("closed_at"),
        ];
        for column in columns {
            let add = Table::alter()
                .table("sessions")
                .add_column(column)
                .to_owned();
            manager.alter_table(add).await?;
        }
        let messages = Table::create()
            .table("messages")
            .col(string("workspace_id"))
            .col(string("id"))
            .col(string("session_id"))
            .col(string("uuid"))
            .col(ColumnDef::new("seq").big_integer().not_null().to_owned())
            .col(string("state"))
            .primary_key(Index::create().col("workspace_id").col("id"))
            .foreign_key(&mut belongs_to_session("messages"))
            .to_owned();
        let requests = Table::create()
            .table("requests")
            .col(string("id").primary_key().to_owned())
            .col(string("workspace_id"))
            .col(string("session_id"))
            .col(string("kind"))
            .col(text("tool"))
            .col(string("state"))
            .col(text_null("answer"))
            .col(boolean("carried"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("answered_at"))
            .foreign_key(&mut belongs_to_session("requests"))
            .to_owned();
        for table in [messages, requests] {
            manager.create_table(table).await?;
        }
        for table in ["messages", "requests"] {
            let index = Index::create()
                .name(format!("{table}_by_state"))
                .table(table)
                .col("session_id")
                .col("state")
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
