//! Opening a PostgreSQL database.

use std::time::Duration;

use ff_protocol::ErrorCode;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sea_orm_migration::MigratorTrait;

use super::Db;
use super::address::{DatabaseUrl, place};
use super::migration::Migrator;
use crate::{Error, Result};

const CONNECTIONS: u32 = 10;
/// Longest wait for a connection, at start and later.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for another server that migrates.
const MIGRATING: Duration = Duration::from_secs(120);
/// Key of the advisory lock around migrations: "ffcloud" in ASCII.
const LOCK: i64 = 0x0066_6663_6c6f_7564;

/// A commit is on disk before it is told, whatever the database, role or URL is set to.
const DURABLE: &str = "SET synchronous_commit TO on";
const SERVING: &str = "SET synchronous_commit TO on; SET lock_timeout TO '10s'; \
     SET statement_timeout TO '30s'; SET idle_in_transaction_session_timeout TO '60s'";

const LOOKING: &str = "SET default_transaction_read_only TO on; SET statement_timeout TO '30s'";

/// Connects and brings the tables up to date, one server at a time.
pub(super) async fn open(url: &DatabaseUrl) -> Result<Db> {
    let options = url.options()?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("ff-cloud"),
    };
    let place = place(&options);
    // The pool would try again until its deadline and then not say what was wrong.
    let mut first = within(CONNECT, &place, PgConnection::connect_with(&options)).await?;
    warn_unless_durable(&mut first, &place).await?;
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK);
    within(MIGRATING, &place, lock.execute(&mut first)).await?;
    let migrating = pool(&options, &place, 1, DURABLE).await?;
    Migrator::up(&migrating, None).await?;
    migrating.close().await?;
    // Ends the session, and with it the lock.
    within(CONNECT, &place, first.close()).await?;
    let pool = pool(&options, &place, CONNECTIONS, SERVING).await?;
    tracing::info!(database = %place, "PostgreSQL is open");
    Ok(Db {
        read: pool.clone(),
        write: pool,
    })
}

/// Connects to look only.
pub(super) async fn peek(url: &DatabaseUrl) -> Result<Db> {
    let options = url.options()?;
    let place = place(&options);
    let first = within(CONNECT, &place, PgConnection::connect_with(&options)).await?;
    within(CONNECT, &place, first.close()).await?;
    let read = pool(&options, &place, 1, LOOKING).await?;
    Ok(Db {
        write: read.clone(),
        read,
    })
}

async fn pool(
    options: &PgConnectOptions,
    place: &str,
    connections: u32,
    session: &'static str,
) -> Result<DatabaseConnection> {
    let connecting = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let set = sqlx::raw_sql(session).execute(connection).await;
                set.map(|_| ())
            })
        })
        .connect_with(options.clone());
    let pool = within(CONNECT, place, connecting).await?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// `fsync` is the server's own setting: with it off a commit may be lost with the power.
async fn warn_unless_durable(connection: &mut PgConnection, place: &str) -> Result<()> {
    let asking = sqlx::query_scalar::<_, String>("SHOW fsync").fetch_one(connection);
    if within(CONNECT, place, asking).await? != "on" {
        tracing::warn!(database = %place, "fsync is off in PostgreSQL: who owns a workspace may be lost in a crash");
    }
    Ok(())
}

async fn within<T>(
    limit: Duration,
    place: &str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    let why = match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {} s", limit.as_secs()),
    };
    Err(Error::refused(
        ErrorCode::Invalid,
        format!("the database {place} cannot be used: {why}"),
    )
    .hint("check that it runs, and --database-url or its variable"))
}
