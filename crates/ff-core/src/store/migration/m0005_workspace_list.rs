//! A number that grows with each change of a workspace, so that a list is read anew only then.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: [&str; 4] = [
    "workspaces",
    "workspace_prs",
    "workspace_ratchets",
    "workspace_run_scripts",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("CREATE TABLE workspace_list (version INTEGER NOT NULL)")
            .await?;
        db.execute_unprepared("INSERT INTO workspace_list VALUES (1)")
            .await?;
        for table in TABLES {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let trigger = format!(
                    "CREATE TRIGGER {table}_{event}_changes_list AFTER {event} ON {table} \
                     BEGIN UPDATE workspace_list SET version = version + 1; END"
                );
                db.execute_unprepared(&trigger).await?;
            }
        }
        Ok(())
    }
}
