//! The original's database, read as if it were a backup.

mod columns;
mod copy;

use std::collections::HashSet;
use std::path::Path;

use ff_protocol::ErrorCode;
use ff_protocol::derived::RatchetState;
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::columns::Field;
use super::format::{
    Backup, Beyond, ClosedRecord, Data, Meta, SCHEMA_VERSION, UserSettings, WorkspaceRecord,
};
use super::import::Source;
use super::time::Time;
use crate::error::{Error, Result};

const VOICE_KEY: &str = "the key of the voice service was left out";
const LEFT_OUT: [(&str, &str); 3] = [
    ("PeriodicTask", "periodic tasks"),
    (
        "workspace_notifications",
        "notifications between workspaces",
    ),
    ("SessionLifecycleEvent", "events of sessions"),
];

/// Reads the database, from a private copy that is removed afterwards.
///
/// # Errors
/// As [`copy::copy`]; `invalid` when it is not of the version that is known.
pub(super) async fn read(path: &Path) -> Result<Source> {
    let (dir, copy) = {
        let path = path.to_owned();
        let copying = tokio::task::spawn_blocking(move || {
            let dir = tempfile::tempdir()
                .map_err(|source| Error::io("cannot make a temporary directory", source))?;
            let copy = copy::copy(&path, dir.path())?;
            Ok::<_, Error>((dir, copy))
        });
        let copied = copying.await;
        copied.map_err(|source| Error::io("the copy of the database failed", source.into()))??
    };
    let shown = path.display().to_string();
    if !copy::is_database(&copy) {
        return Err(foreign(&shown, "it is no SQLite database"));
    }
    let source = match open(&copy).await {
        Ok(db) => {
            let source = read_all(&db, &shown).await;
            let closed = db.close().await;
            source.and_then(|source| closed.map(|()| source).map_err(Error::from))
        }
        Err(error) => Err(foreign(&shown, &error.to_string())),
    };
    drop(dir);
    source
}

async fn open(copy: &Path) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", copy.display()));
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.journal_mode(SqliteJournalMode::Delete));
    Database::connect(options).await
}

fn foreign(shown: &str, reason: &str) -> Error {
    let detail = format!("{shown} is no database of Factory Factory 0.4.6: {reason}");
    Error::refused(ErrorCode::Invalid, detail)
        .hint("with another version make a backup in the application, and import that")
}

async fn read_all(db: &DatabaseConnection, shown: &str) -> Result<Source> {
    check_schema(db, shown).await?;
    let projects = records(db, shown, columns::PROJECT, "createdAt").await?;
    let agent_sessions = records(db, shown, columns::SESSION, "createdAt").await?;
    let terminal_sessions = records(db, shown, columns::TERMINAL, "createdAt").await?;
    let closed: Vec<ClosedRecord> = records(db, shown, columns::CLOSED, "completedAt").await?;
    let mut settings: Vec<UserSettings> =
        records(db, shown, columns::SETTINGS, "createdAt").await?;
    settings.truncate(1);
    let since = scalar(
        db,
        "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', MAX(updatedAt)) FROM UserSettings",
    );
    let since: Option<Time> = since
        .await?
        .and_then(|text| serde_json::from_value(text.into()).ok());
    Ok(Source {
        backup: Backup {
            meta: Meta {
                exported_at: since.unwrap_or_else(|| crate::clock::now().into()),
                version: "0.4.6".to_owned(),
                schema_version: SCHEMA_VERSION,
            },
            data: Data {
                projects,
                workspaces: workspaces(db, shown).await?,
                agent_sessions,
                terminal_sessions,
                user_settings: settings.pop(),
            },
        },
        closed,
        notes: left_out(db).await?,
    })
}

/// Every table and column that is read must be there; others may be.
async fn check_schema(db: &DatabaseConnection, shown: &str) -> Result<()> {
    let sql = "SELECT m.name || '.' || c.name AS text \
               FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'";
    let found = texts(db, sql).await;
    let found: HashSet<String> = readable(found, shown)?.into_iter().collect();
    let missing = columns::all()
        .map(|field| format!("{}.{}", field.table, field.column))
        .find(|name| !found.contains(name));
    match missing {
        None => Ok(()),
        Some(missing) => Err(foreign(shown, &format!("it has no column {missing}"))),
    }
}

async fn workspaces(db: &DatabaseConnection, shown: &str) -> Result<Vec<WorkspaceRecord>> {
    let own = columns::object(columns::WORKSPACE);
    let beside = columns::object(columns::BESIDE);
    let beyond = columns::object(columns::BEYOND);
    let sql = format!(
        "SELECT json_array({own}, {beside}, {beyond}) AS text FROM Workspace \
         LEFT JOIN WorkspacePR ON WorkspacePR.workspaceId = Workspace.id \
         LEFT JOIN WorkspaceRatchet ON WorkspaceRatchet.workspaceId = Workspace.id \
         LEFT JOIN WorkspaceRunScript ON WorkspaceRunScript.workspaceId = Workspace.id \
         LEFT JOIN WorkspaceAutoIteration ON WorkspaceAutoIteration.workspaceId = Workspace.id \
         ORDER BY Workspace.createdAt, Workspace.id"
    );
    let rows = readable(texts(db, &sql).await, shown)?;
    rows.iter()
        .map(|text| {
            let (mut own, beside, beyond): (Value, Value, Beyond) =
                typed(shown, "Workspace", text)?;
            if let (Value::Object(own), Value::Object(beside)) = (&mut own, beside) {
                own.extend(beside);
                // Never stored; what it stands for is in the columns.
                own.insert("ratchetState".to_owned(), json!(RatchetState::Idle));
            }
            let mut record: WorkspaceRecord = typed(shown, "Workspace", &own.to_string())?;
            record.beyond = Some(beyond);
            Ok(record)
        })
        .collect()
}

async fn records<T: DeserializeOwned>(
    db: &DatabaseConnection,
    shown: &str,
    fields: &[Field],
    order: &str,
) -> Result<Vec<T>> {
    let table = fields.first().map(|field| field.table).unwrap_or_default();
    let object = columns::object(fields);
    let sql = format!("SELECT {object} AS text FROM \"{table}\" ORDER BY \"{order}\", \"id\"");
    let rows = readable(texts(db, &sql).await, shown)?;
    rows.iter().map(|text| typed(shown, table, text)).collect()
}

fn typed<T: DeserializeOwned>(shown: &str, table: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        // Line and column are those of a text that nobody sees.
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        foreign(shown, &format!("a row of {table} cannot be read: {reason}"))
    })
}

/// What SQLite says of a database that is damaged, or of text that is no JSON.
fn readable<T>(read: Result<T>, shown: &str) -> Result<T> {
    read.map_err(|error| match error {
        Error::Store(reason) => foreign(shown, &reason.to_string()),
        other => other,
    })
}

/// What is there and not taken over.
async fn left_out(db: &DatabaseConnection) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let voice =
        "SELECT 'x' FROM pragma_table_info('UserSettings') WHERE name = 'deepgramApiKeyEncrypted'";
    if scalar(db, voice).await?.is_some() {
        let key = "SELECT 'x' FROM UserSettings WHERE deepgramApiKeyEncrypted IS NOT NULL";
        notes.extend(scalar(db, key).await?.map(|_| VOICE_KEY.to_owned()));
    }
    for (table, what) in LEFT_OUT {
        let known =
            format!("SELECT 'x' FROM sqlite_master WHERE type = 'table' AND name = '{table}'");
        if scalar(db, &known).await?.is_none() {
            continue;
        }
        let any = format!("SELECT CAST(COUNT(*) AS TEXT) FROM \"{table}\" HAVING COUNT(*) > 0");
        let count = scalar(db, &any).await?;
        notes.extend(
            count.map(|count| format!("{count} {what} were left out: there are none here")),
        );
    }
    Ok(notes)
}

/// The first column of the first row.
async fn scalar(db: &DatabaseConnection, sql: &str) -> Result<Option<String>> {
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, sql))
        .await?;
    match row {
        Some(row) => Ok(row.try_get_by_index(0)?),
        None => Ok(None),
    }
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Result<Vec<String>> {
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Sqlite, sql))
        .await?;
    let texts = rows.iter().map(|row| row.try_get_by_index::<String>(0));
    Ok(texts.collect::<Result<_, sea_orm::DbErr>>()?)
}
