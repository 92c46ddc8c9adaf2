//! Migrations, embedded and run at start. A migration that has been released is never edited.

use std::collections::HashSet;

use ff_protocol::ErrorCode;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use sea_orm_migration::prelude::*;

use crate::{Error, Result};

mod m0001_first_tables;
mod m0002_agent_told;
mod m0003_sleep_and_pool;
mod m0004_progress;

/// All migrations in their order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_agent_told::Migration),
            Box::new(m0003_sleep_and_pool::Migration),
            Box::new(m0004_progress::Migration),
        ]
    }
}

/// Whether the tables are those of this program; changes nothing.
///
/// # Errors
/// They are older or newer, or the database fails.
pub(super) async fn check(db: &DatabaseConnection) -> Result<()> {
    let table = "seaql_migrations";
    let mut done = HashSet::new();
    if SchemaManager::new(db).has_table(table).await? {
        let sql = format!("SELECT version FROM {table}");
        let asked = Statement::from_string(db.get_database_backend(), sql);
        for row in db.query_all_raw(asked).await? {
            done.insert(row.try_get_by_index::<String>(0)?);
        }
    }
    let known: HashSet<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let refuse =
        |detail: &str, hint: &str| Err(Error::refused(ErrorCode::Invalid, detail).hint(hint));
    if done.difference(&known).next().is_some() {
        return refuse(
            "the database's tables are newer than this program",
            "use the version of ff-cloud that the server has",
        );
    }
    if known.difference(&done).next().is_some() {
        return refuse(
            "the database's tables are older than this program",
            "start this version's server once: it brings them up to date",
        );
    }
    Ok(())
}
