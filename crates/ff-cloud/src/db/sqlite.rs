//! Opening an SQLite file.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use ff_protocol::ErrorCode;
use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
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
    migrate(file).await?;
    let write = connect(file, 1, true).await?;
    let read = connect(file, READERS, true).await?;
    Ok(Db { read, write })
}

/// Opens a file that is there, to look only.
pub(super) async fn peek(file: &Path) -> Result<Db> {
    if !file.is_file() {
        return Err(Error::refused(
            ErrorCode::Invalid,
            format!("there is no database at {}", file.display()),
        )
        .hint("name the directory of a server with --data-dir, or its --database-url"));
    }
    let place = file.to_owned();
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&place)
                .read_only(true)
                .busy_timeout(BUSY_TIMEOUT)
        });
    let read = Database::connect(options).await?;
    Ok(Db {
        write: read.clone(),
        read,
    })
}

/// A table is changed by making it anew, for which SQLite wants foreign keys off; what they
/// promise is looked at afterwards.
async fn migrate(file: &Path) -> Result<()> {
    let migrating = connect(file, 1, false).await?;
    Migrator::up(&migrating, None).await?;
    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA foreign_key_check");
    if !migrating.query_all_raw(check).await?.is_empty() {
        return Err(Error::Bug(
            "a migration left rows that refer to nothing".to_owned(),
        ));
    }
    Ok(migrating.close().await?)
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

async fn connect(file: &Path, connections: u32, foreign_keys: bool) -> Result<DatabaseConnection> {
    let file = file.to_owned();
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(is_settled(connection)))
        })
        .map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(foreign_keys)
                .busy_timeout(BUSY_TIMEOUT)
        });
    Ok(Database::connect(options).await?)
}

/// Whether a connection is in no transaction, so that it may be used again. When SQLite gives a
/// transaction up by itself, as on a full disk, sqlx goes on to count it: a later one would be a
/// part of it and, rolled back, leave all that is written from then on in one that never ends.
async fn is_settled(connection: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    // What is under way comes to its end first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use sea_orm::TransactionTrait;

    use super::*;

    #[tokio::test]
    async fn writes_last_after_sqlite_gave_a_transaction_up_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir.path().join("cloud.db")).await.unwrap();
        let given_up = db.write.begin().await.unwrap();
        given_up.execute_unprepared("ROLLBACK").await.unwrap();
        drop(given_up);
        db.write.begin().await.unwrap().rollback().await.unwrap();
        let written = "INSERT INTO users (id, created_at) VALUES ('ada', 0)";
        db.write.execute_unprepared(written).await.unwrap();
        let found = Statement::from_string(DbBackend::Sqlite, "SELECT id FROM users");
        assert!(db.read.query_one_raw(found).await.unwrap().is_some());
    }
}
