//! Where the database is.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ff_protocol::ErrorCode;
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::{Error, Result};

/// Parameters a URL may have; of others the driver would log the values.
const PARAMETERS: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "options",
    "password",
    "port",
    "sslmode",
    "statement-cache-capacity",
    "user",
];

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Address {
    /// A file of this server.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(DatabaseUrl),
}

/// URL of a PostgreSQL database. It may hold a password: nothing here shows it, and reading one
/// from the command line never fails, since the message would quote it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(hidden)")
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl DatabaseUrl {
    /// Whether nothing was given: a variable that is set and empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that it is one, without connecting.
    ///
    /// # Errors
    /// What is wrong with it; never its text.
    pub fn check(&self) -> Result<()> {
        self.options().map(|_| ())
    }

    /// How to connect. Statements are not logged: they may come with values.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn options(&self) -> Result<PgConnectOptions> {
        let rest = ["postgres://", "postgresql://"]
            .into_iter()
            .find_map(|scheme| self.0.strip_prefix(scheme))
            .ok_or_else(|| wrong("begins with neither postgres:// nor postgresql://"))?;
        let after_host = rest.find(['/', '?', '#']).map_or("", |end| &rest[end..]);
        if after_host.contains(['@', '#']) {
            return Err(wrong(
                "has an @ or # too many: in a name or password write %40, %23, and %2F for /",
            ));
        }
        let query = after_host.split_once('?').map_or("", |(_, query)| query);
        let known = |pair: &str| PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
        if !query.split('&').all(|pair| pair.is_empty() || known(pair)) {
            return Err(wrong(&format!(
                "has a parameter other than {}",
                PARAMETERS.join(", ")
            )));
        }
        let options = PgConnectOptions::from_str(&self.0).map_err(|_| wrong("is malformed"))?;
        match options.get_ssl_mode() {
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => Err(wrong(
                "asks for TLS, which this version has not: use a socket or a private network",
            )),
            PgSslMode::Allow | PgSslMode::Prefer | PgSslMode::Disable => {
                Ok(options.disable_statement_logging())
            }
        }
    }
}

/// The database and its host, for people; no user and no password.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let name = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("`{name}` at {}", socket.display()),
        None => format!("`{name}` at {}:{}", options.get_host(), options.get_port()),
    }
}

fn wrong(what: &str) -> Error {
    Error::refused(ErrorCode::Invalid, format!("the database URL {what}"))
        .hint("give --database-url (or its variable) as postgres://USER:PASSWORD@HOST:PORT/NAME, or leave it out for SQLite")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("mysql://u:hushhush@h/db", "postgres://")]
    #[case("", "postgres://")]
    #[case("postgres://u:12/hushhush@h/db", "%40")]
    #[case("postgres://u:12?hushhush@h/db", "%40")]
    #[case("postgres://u:12#hushhush", "%40")]
    #[case("postgres://u@h/db?passwd=hushhush", "application_name")]
    #[case("postgres://u:hushhush@h:port/db", "malformed")]
    #[case("postgres://u@h/db?sslmode=hushhush", "malformed")]
    #[case("postgres://u:hushhush@h/db?sslmode=require", "TLS")]
    fn a_wrong_url_is_refused_and_not_shown(#[case] url: &str, #[case] word: &str) {
        let url: DatabaseUrl = url.parse().unwrap();
        let error = url.check().unwrap_err();
        let shown = format!("{error} {error:?} {url:?}");
        assert!(shown.contains(word), "{shown}");
        assert!(!shown.contains("hushhush"), "{shown}");
    }

    #[rstest]
    #[case("postgres://u:hush%40hush@db.test:5433/ff", "`ff` at db.test:5433")]
    #[case("postgresql:///ff?user=u&host=/run/pg", "`ff` at /run/pg")]
    #[case("postgres://u@%2Frun%2Fpg/ff", "`ff` at /run/pg")]
    fn a_place_names_database_and_host_only(#[case] url: &str, #[case] expected: &str) {
        let url: DatabaseUrl = url.parse().unwrap();
        assert_eq!(place(&url.options().unwrap()), expected);
    }
}
