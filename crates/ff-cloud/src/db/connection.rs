//! Opening the database.

use sea_orm::DatabaseConnection;

use super::{Address, migration, postgres, sqlite};
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

    /// Opens a database that a server may use at the same time, to look only: no table is
    /// changed.
    ///
    /// # Errors
    /// As [`Self::open`]; the tables are those of an older or a newer program.
    pub async fn peek(address: &Address) -> Result<Self> {
        let db = match address {
            Address::Sqlite(file) => sqlite::peek(file).await?,
            Address::Postgres(url) => postgres::peek(url).await?,
        };
        migration::check(&db.read).await?;
        Ok(db)
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
