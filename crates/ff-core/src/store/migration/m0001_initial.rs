//! Projects, workspaces with PR and ratchet, sessions, journal, hand-offs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, boolean, boolean_null, string, string_null, text, text_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

fn belongs_to_workspace(from: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(from, "workspace_id")
        .to("workspaces", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

fn id(column: &'static str) -> ColumnDef {
    string(column).primary_key().to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            table("meta").col(id("key")).col(text("value")).to_owned(),
            table("projects")
                .col(id("id"))
                .col(string("name"))
                .col(string("slug").unique_key())
                .col(text("repo_path"))
                .col(text("worktree_base_path"))
                .col(string("default_branch"))
                .col(string_null("github_owner"))
                .col(string_null("github_repo"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
            table("workspaces")
                .col(id("id"))
                .col(string("project_id"))
                .col(string("name"))
                .col(text_null("description"))
                .col(string("status"))
                .col(text_null("worktree_path"))
                .col(string_null("branch_name"))
                .col(string("creation_source"))
                .col(boolean("has_had_sessions"))
                .col(string("owner"))
                .col(big_integer("epoch"))
                .col(string_null("handoff_id"))
                .col(string("journal_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("workspaces", "project_id")
                        .to("projects", "id")
                        .on_delete(ForeignKeyAction::Restrict),
                )
                .to_owned(),
            table("workspace_prs")
                .col(id("workspace_id"))
                .col(text_null("url"))
                .col(ColumnDef::new("number").big_integer().null().to_owned())
                .col(string("state"))
                .col(string_null("review_state"))
                .col(string("ci_status"))
                .col(boolean("has_merge_conflict"))
                .col(timestamp_with_time_zone_null("synced_at"))
                .col(timestamp_with_time_zone_null("discovery_last_checked_at"))
                .col(big_integer("discovery_retry_count"))
                .col(timestamp_with_time_zone_null("discovery_next_check_at"))
                .col(timestamp_with_time_zone_null("ci_failed_at"))
                .col(timestamp_with_time_zone_null("ci_last_notified_at"))
                .col(timestamp_with_time_zone_null("review_last_checked_at"))
                .col(string_null("review_last_comment_id"))
                .foreign_key(&mut belongs_to_workspace("workspace_prs"))
                .to_owned(),
            table("workspace_ratchets")
                .col(id("workspace_id"))
                .col(boolean("enabled"))
                .col(timestamp_with_time_zone_null("last_checked_at"))
                .col(string_null("active_session_id"))
                .col(text_null("dispatch_snapshot_key"))
                .col(string_null("dispatch_outcome"))
                .col(big_integer("dispatch_retry_count"))
                .col(boolean("dispatch_stalled"))
                .foreign_key(&mut belongs_to_workspace("workspace_ratchets"))
                .to_owned(),
            table("sessions")
                .col(id("id"))
                .col(string("workspace_id"))
                .col(string_null("name"))
                .col(string("workflow"))
                .col(string_null("model"))
                .col(string("permissions"))
                .col(string("status"))
                .col(string("activity"))
                .col(text_null("last_turn"))
                .col(text_null("error"))
                .col(string("provider_session_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .foreign_key(&mut belongs_to_workspace("sessions"))
                .to_owned(),
            table("journal")
                .col(string("workspace_id"))
                .col(big_integer("seq"))
                .col(string("session_id"))
                .col(string("kind"))
                .col(text("payload"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("workspace_id").col("seq"))
                .foreign_key(&mut belongs_to_workspace("journal"))
                .to_owned(),
            table("handoffs")
                .col(id("id"))
                .col(string("workspace_id"))
                .col(string("project_id"))
                .col(string("role"))
                .col(big_integer("epoch"))
                .col(text_null("manifest"))
                .col(boolean_null("committed"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
