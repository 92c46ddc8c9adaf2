//! Opening the database.

use sea_orm::DatabaseConnection;

use super::{Address, postgres, sqlite};
use crate::Result;

/// The server's database. What was written is on disk before the write returns.
#[derive(Debug, Clone)]
pub struct Db {
    pub(super) read: DatabaseConnection,
    pub(super) write: DatabaseConnection,
}

impl Db {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// It cannot be reached or opened, in time and with these rights, or a migration fails.
    pub async fn open(address: &Address) -> Result<Self> {
        match address {
            Address::Sqlite(file) => sqlite::open(file).await,
            Address::Postgres(url) => postgres::open(url).await,
        }
    }

    /// For queries only.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For changes and transactions.
    pub fn write(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Closes the connections, after which an SQLite file is complete without its log.
    ///
    /// # Errors
    /// The database reports an error on closing.
    pub async fn close(self) -> Result<()> {
        self.read.close().await?;
        Ok(self.write.close().await?)
    }
}
