//! What workspaces need to be made ready, to run a script and to be put away again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, string, string_null, text, text_null,
    timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn beside_workspace(table: &'static str) -> TableCreateStatement {
    Table::create()
        .table(table)
        .col(string("workspace_id").primary_key().to_owned())
        .foreign_key(
            ForeignKey::create()
                .from(table, "workspace_id")
                .to("workspaces", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let projects = [
            boolean("is_archived").default(false).to_owned(),
            string("issue_provider").default("GITHUB").to_owned(),
            text_null("startup_script_command"),
            text_null("startup_script_path"),
            big_integer("startup_script_timeout")
                .default(300)
                .to_owned(),
        ];
        let workspaces = [
            boolean("is_auto_generated_branch")
                .default(false)
                .to_owned(),
            text_null("creation_metadata"),
            text_null("init_error_message"),
            timestamp_with_time_zone_null("init_started_at"),
            timestamp_with_time_zone_null("init_completed_at"),
            big_integer_null("init_script_pid"),
            text_null("init_process"),
            text_null("acting_process"),
            big_integer("init_retry_count").default(0).to_owned(),
            big_integer_null("github_issue_number"),
            text_null("github_issue_url"),
            string_null("linear_issue_id"),
            string_null("linear_issue_identifier"),
            text_null("linear_issue_url"),
            string("default_session_provider")
                .default("WORKSPACE_DEFAULT")
                .to_owned(),
            string("ratchet_session_provider")
                .default("WORKSPACE_DEFAULT")
                .to_owned(),
            string_null("parent_workspace_id"),
            string("mode").default("STANDARD").to_owned(),
            text_null("auto_iteration_config"),
            string_null("archiving_from"),
        ];
        for (table, columns) in [
            ("projects", projects.to_vec()),
            ("workspaces", workspaces.to_vec()),
        ] {
            for column in columns {
                let add = Table::alter().table(table).add_column(column).to_owned();
                manager.alter_table(add).await?;
            }
        }
        let run_scripts = beside_workspace("workspace_run_scripts")
            .col(text_null("command"))
            .col(text_null("post_run_command"))
            .col(text_null("cleanup_command"))
            .col(big_integer_null("pid"))
            .col(text_null("process"))
            .col(big_integer_null("port"))
            .col(timestamp_with_time_zone_null("started_at"))
            .col(string("status"))
            .to_owned();
        let outputs = beside_workspace("workspace_init_outputs")
            .col(text("output"))
            .to_owned();
        for table in [run_scripts, outputs] {
            manager.create_table(table).await?;
        }
        let rows = "INSERT INTO workspace_run_scripts (workspace_id, status) \
                    SELECT id, 'IDLE' FROM workspaces";
        manager.get_connection().execute_unprepared(rows).await?;
        let index = Index::create()
            .name("workspaces_by_status")
            .table("workspaces")
            .col("status")
            .to_owned();
        manager.create_index(index).await
    }
}
