//! The databases every test of the server runs on.

use std::sync::Arc;

use ff_cloud::config::Config;

use super::postgres;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The database of one test.
#[derive(Debug, Clone)]
pub enum Store {
    /// In the data directory.
    Sqlite,
    /// Removed when the last holder drops it.
    Postgres(Arc<postgres::Database>),
}

impl Backend {
    /// A new database.
    pub async fn store(self) -> Store {
        match self {
            Self::Sqlite => Store::Sqlite,
            Self::Postgres => Store::Postgres(Arc::new(postgres::Database::new().await)),
        }
    }
}

impl Store {
    /// Puts the database into the settings.
    pub fn enter(&self, config: &mut Config) {
        config.database_url = match self {
            Self::Sqlite => None,
            Self::Postgres(database) => Some(database.url().parse().unwrap()),
        };
    }
}

/// Makes two tests of each function that takes a [`Backend`].
#[allow(unused_macros, reason = "each test binary uses a part of it")]
macro_rules! both_dbs {
    ($($name:ident)*) => {
        both_dbs!(@on sqlite Sqlite $($name)*);
        both_dbs!(@on postgres Postgres $($name)*);
    };
    (@on $module:ident $backend:ident $($name:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::support::backend::Backend::$backend).await;
                }
            )*
        }
    };
}
