//! Migrations, embedded and run at start. A migration that has been released is never edited.

use sea_orm_migration::prelude::*;

mod m0001_first_tables;
mod m0002_agent_told;
mod m0003_sleep_and_pool;

/// All migrations in their order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_agent_told::Migration),
            Box::new(m0003_sleep_and_pool::Migration),
        ]
    }
}
