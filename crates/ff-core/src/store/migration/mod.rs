//! Changes of the tables, in order; one file a change, never edited once released.

mod m0001_initial;
mod m0002_conversations;
mod m0003_workspace_life;
mod m0004_imported;
mod m0005_workspace_list;
mod m0006_login_required;
mod m0007_run_outputs;
mod m0008_retained;

use sea_orm_migration::prelude::*;

pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_initial::Migration),
            Box::new(m0002_conversations::Migration),
            Box::new(m0003_workspace_life::Migration),
            Box::new(m0004_imported::Migration),
            Box::new(m0005_workspace_list::Migration),
            Box::new(m0006_login_required::Migration),
            Box::new(m0007_run_outputs::Migration),
            Box::new(m0008_retained::Migration),
        ]
    }
}
