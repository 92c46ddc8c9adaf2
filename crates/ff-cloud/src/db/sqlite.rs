//! Opening an SQLite file.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;

use super::Db;
use super::migration::Migrator;
use crate::{Error, Result};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the file, makes it if need be, and brings its tables up to date. SQLite takes one
/// writer: writes share one connection, so that none meets a locked database; readers have their
/// own and never wait for a writer.
pub(super) async fn open(file: &Path) -> Result<Db> {
    make_private(file)?;
    let write = connect(file, 1).await?;
    Migrator::up(&write, None).await?;
    let read = connect(file, READERS).await?;
    Ok(Db { read, write })
}

/// Makes the file, readable by nobody else, before SQLite makes it readable by all; SQLite gives
/// its log the same permissions.
fn make_private(file: &Path) -> Result<()> {
    let made = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file);
    made.map(|_| ()).map_err(|source| Error::Io {
        path: file.to_owned(),
        source,
    })
}

async fn connect(file: &Path, connections: u32) -> Result<DatabaseConnection> {
    let file = file.to_owned();
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
        });
    Ok(Database::connect(options).await?)
}
