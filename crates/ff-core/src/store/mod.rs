//! Records in SQLite. No SQL and no entity leaves this module.

mod conversation;
mod entity;
mod exported;
mod feed;
mod handoffs;
pub(crate) mod import;
mod journal;
mod life;
mod messages;
mod migration;
mod ownership;
mod projects;
mod pull_requests;
mod requests;
mod run_scripts;
mod sessions;
mod text;
mod workspace_list;
mod workspace_rows;
mod workspaces;
mod write;
mod writer;

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use ff_protocol::DesktopId;
use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{
    ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, EntityTrait,
    sea_query::OnConflict,
};
use sea_orm_migration::MigratorTrait;

pub(crate) use conversation::Item;
pub use feed::{Event, Feed, Partial, Watch};
pub use handoffs::{HandoffRecord, Role};
pub(crate) use life::Registration;
pub use life::{Moved, Writes};
pub(crate) use messages::MessageRecord;
pub use ownership::Retained;
pub(crate) use requests::{Asked, RequestRecord};
pub(crate) use run_scripts::RunWrites;
pub(crate) use sessions::ProcessMark;
pub(crate) use write::{Change, Write};

use crate::core::private_dir;
use crate::error::{IoContext, Result};
use entity::meta;

/// The records of one machine. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: DatabaseConnection,
    feed: Feed,
    writer: writer::Writer,
    listed: workspace_list::Listed,
}

impl Store {
    /// Opens the database file, makes it if it is not there, and brings its tables up to date. It
    /// holds what was said, so only its user can read it, and enter the directory it is in.
    ///
    /// A write is on disk when its call returns (`synchronous=FULL`). Outside of a transaction
    /// none may return rows: SQLite commits a statement when it ends, sqlx ends it once it has the
    /// row, and passes over what that says, such as that the disk is full.
    ///
    /// # Errors
    /// The file cannot be opened or is no database of ours.
    pub async fn open(path: &Path) -> Result<Self> {
        make_private(path)?;
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        // One connection: SQLite has one writer anyway, and statements then never meet a busy
        // database inside one process. Other processes wait for each other. It is never renewed:
        // that takes a thread, and a machine at its limit of processes has none.
        options
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .sqlx_logging(false)
            .map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_settled(connection)))
            })
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
            });
        let db = Database::connect(options).await?;
        migration::Migrator::up(&db, None).await?;
        let feed = Feed::default();
        let writer = writer::Writer::start(db.clone(), feed.clone());
        Ok(Self {
            db,
            feed,
            writer,
            listed: workspace_list::Listed::default(),
        })
    }

    /// What happens in workspaces.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The id of this installation, made at the first call.
    pub async fn installation_id(&self) -> Result<DesktopId> {
        let fresh = DesktopId::generate();
        self.set_default("installation_id", fresh.as_str()).await?;
        let stored = self.setting("installation_id").await?;
        Ok(stored
            .as_deref()
            .and_then(|id| DesktopId::from_str(id).ok())
            .unwrap_or(fresh))
    }

    /// A named setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        let row = meta::Entity::find_by_id(key.to_owned())
            .one(&self.db)
            .await?;
        Ok(row.map(|row| row.value))
    }

    /// Writes a named setting.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        self.write_setting(
            key,
            value,
            OnConflict::column(meta::Column::Key)
                .update_column(meta::Column::Value)
                .to_owned(),
        )
        .await
    }

    async fn set_default(&self, key: &str, value: &str) -> Result<()> {
        self.write_setting(
            key,
            value,
            OnConflict::column(meta::Column::Key)
                .do_nothing()
                .to_owned(),
        )
        .await
    }

    async fn write_setting(&self, key: &str, value: &str, conflict: OnConflict) -> Result<()> {
        let row = meta::ActiveModel {
            key: Set(key.to_owned()),
            value: Set(value.to_owned()),
        };
        meta::Entity::insert(row)
            .on_conflict(conflict)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }
}

/// Whether a connection is in no transaction, so that it may be used again. When SQLite gives a
/// transaction up by itself, as on a full disk, sqlx goes on to count it: a later one would be a
/// part of it and, rolled back, leave all that is written from then on in one that never ends.
async fn is_settled(connection: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    // What is under way comes to its end first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Makes the file and its directory, and closes them to others. SQLite gives the files beside it the
/// same mode.
fn make_private(path: &Path) -> Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        private_dir(dir)?;
        close_to_others(dir)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .context(|| format!("cannot open {}", path.display()))?;
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let beside = Path::new(&name);
        if beside.exists() {
            close_to_others(beside)?;
        }
    }
    Ok(())
}

/// Takes from others what they may do with it; it may come from a time when they could.
fn close_to_others(path: &Path) -> Result<()> {
    let about = || format!("cannot close {} to other users", path.display());
    let mode = fs::metadata(path).context(about)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(path, Permissions::from_mode(mode & 0o700)).context(about),
    }
}

#[cfg(test)]
pub(crate) mod tests;
