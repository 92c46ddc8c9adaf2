use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ff_protocol::ErrorCode;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use serde_json::json;

use crate::world::{PROJECT, WORKSPACE, World};

pub async fn open(path: &Path) -> DatabaseConnection {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// Executes statements, each with the number of rows it has to change.
pub async fn change(path: &Path, statements: &[(&str, u64)]) {
    let db = open(path).await;
    for (statement, rows) in statements {
        let done = db.execute_unprepared(statement).await.unwrap();
        assert_eq!(done.rows_affected(), *rows, "{statement}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_written_to_the_database_or_beside_it() {
    let world = World::new().await;
    let database = world.database();
    let dir = database.parent().unwrap().to_owned();
    let before = world.files(&dir);
    assert_eq!(before.len(), 1);
    world.core.import_database(&database).await.unwrap();
    assert!(world.files(&dir) == before, "the source was touched");
}

#[tokio::test]
async fn what_is_only_in_the_log_of_a_running_original_is_seen() {
    let world = World::new().await;
    let database = world.database();
    let db = open(&database).await;
    db.execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .unwrap();
    db.execute_unprepared("UPDATE Project SET name = 'From the log'")
        .await
        .unwrap();
    let tx = db.begin().await.unwrap();
    tx.execute_unprepared("UPDATE Workspace SET name = 'not committed'")
        .await
        .unwrap();
    let dir = database.parent().unwrap().to_owned();
    let before = world.files(&dir);
    let names: Vec<_> = before
        .iter()
        .map(|(path, _)| path.extension().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["db", "db-shm", "db-wal"]);
    world.core.import_database(&database).await.unwrap();
    assert!(world.files(&dir) == before, "the source was touched");
    tx.rollback().await.unwrap();
    let exported = world.export().await;
    assert_eq!(exported["data"]["projects"][0]["name"], "From the log");
    assert_eq!(
        exported["data"]["workspaces"][0]["name"],
        "My First Workspace"
    );
}

#[tokio::test]
async fn a_log_that_a_crash_left_is_read_and_stays() {
    let world = World::new().await;
    let database = world.database();
    let db = open(&database).await;
    db.execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .unwrap();
    db.execute_unprepared("UPDATE Project SET name = 'From the log'")
        .await
        .unwrap();
    let crashed = world.path("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", database.display());
        std::fs::copy(from, crashed.join(format!("a.db{suffix}"))).unwrap();
    }
    db.close().await.unwrap();
    let before = world.files(&crashed);
    world
        .core
        .import_database(&crashed.join("a.db"))
        .await
        .unwrap();
    assert!(world.files(&crashed) == before, "the source was touched");
    assert_eq!(
        world.export().await["data"]["projects"][0]["name"],
        "From the log"
    );
}

/// The original goes on writing; each of its transactions changes two rows alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_from_a_busy_original_is_of_one_moment() {
    for mode in ["WAL", "DELETE"] {
        let world = World::new().await;
        let database = world.database();
        let db = open(&database).await;
        let pragma = format!("PRAGMA journal_mode = {mode}");
        db.execute_unprepared(&pragma).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    count += 1;
                    let tx = db.begin().await.unwrap();
                    for table in ["Project", "Workspace"] {
                        let sql = format!("UPDATE {table} SET name = 'n{count}'");
                        tx.execute_unprepared(&sql).await.unwrap();
                    }
                    tx.commit().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                count
            })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        let report = world.core.import_database(&database).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        let count: u32 = writer.await.unwrap();
        assert_eq!(report.workspaces.imported, 2);
        let exported = world.export().await;
        let data = &exported["data"];
        println!(
            "{mode}: read {} of {count} transactions",
            data["projects"][0]["name"]
        );
        assert_ne!(data["projects"][0]["name"], "Demo Repo");
        for workspace in data["workspaces"].as_array().unwrap() {
            assert_eq!(workspace["name"], data["projects"][0]["name"]);
        }
    }
}

#[tokio::test]
async fn other_databases_and_files_are_told() {
    let world = World::new().await;
    let ours = world.path("data/core.db");
    let theirs = world.path("theirs.db");
    std::fs::copy(&ours, &theirs).unwrap();
    let garbled = world.path("garbled.db");
    std::fs::copy(world.database(), &garbled).unwrap();
    let sql = "UPDATE Workspace SET creationMetadata = '{' WHERE id = 'w3'";
    change(&garbled, &[(sql, 1)]).await;
    let text = world.path("text.db");
    std::fs::write(&text, "not a database, whatever its name says").unwrap();
    let empty = world.path("empty.db");
    std::fs::write(&empty, "").unwrap();
    let older = world.database();
    change(
        &older,
        &[(
            "ALTER TABLE WorkspaceRatchet DROP COLUMN dispatchStalled",
            0,
        )],
    )
    .await;
    for (path, words) in [
        (&ours, "is the database of ff itself"),
        (&theirs, "it has no column Project.id"),
        (&garbled, "malformed JSON"),
        (&world.path("home"), "is not a file"),
        (&text, "it is no SQLite database"),
        (&empty, "it is no SQLite database"),
        (&older, "it has no column WorkspaceRatchet.dispatchStalled"),
    ] {
        let error = world.core.import_database(path).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid);
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = world
        .core
        .import_database(&world.path("none.db"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(world.export().await["data"]["projects"], json!([]));
}

#[tokio::test]
async fn rows_that_are_missing_beside_a_workspace_have_the_columns_defaults() {
    let world = World::new().await;
    let database = world.database();
    let tables = [
        "WorkspacePR",
        "WorkspaceRatchet",
        "WorkspaceRunScript",
        "WorkspaceAutoIteration",
    ];
    let statements = tables.map(|table| format!("DELETE FROM {table} WHERE workspaceId = 'w3'"));
    let statements: Vec<_> = statements.iter().map(|sql| (sql.as_str(), 1)).collect();
    change(&database, &statements).await;
    world.core.import_database(&database).await.unwrap();
    let exported = world.export().await;
    let w3 = &exported["data"]["workspaces"][1];
    assert_eq!(w3["id"], "w3");
    for (field, value) in [
        ("prState", json!("NONE")),
        ("prCiStatus", json!("UNKNOWN")),
        ("ratchetEnabled", json!(true)),
        ("runScriptStatus", json!("IDLE")),
        ("mode", json!("STANDARD")),
    ] {
        assert_eq!(w3[field], value, "{field}");
    }
}

#[tokio::test]
async fn times_are_read_in_each_form_and_keys_stay_behind() {
    let world = World::new().await;
    let database = world.database();
    change(
        &database,
        &[
            ("UPDATE Project SET createdAt = '2026-01-02 03:04:05'", 1),
            ("UPDATE Workspace SET createdAt = 1767323045678 WHERE id = 'w3'", 1),
            ("UPDATE Project SET issueTrackerConfig = '{\"linear\":{\"apiKey\":\"enc:hunter2\",\"teamId\":\"t\"}}'", 1),
            ("UPDATE UserSettings SET deepgramApiKeyEncrypted = 'enc:hunter3'", 1),
        ],
    )
    .await;
    let report = world.core.import_database(&database).await.unwrap();
    let notes = format!("{:?}", report.notes);
    assert!(
        notes.contains("issue tracker") && notes.contains("voice service"),
        "{notes}"
    );
    let exported = world.export().await;
    assert_eq!(
        exported["data"]["projects"][0]["createdAt"],
        "2026-01-02T03:04:05.000Z"
    );
    assert_eq!(
        exported["data"]["workspaces"][0]["createdAt"],
        "2026-01-02T03:04:05.678Z"
    );
    for (path, content) in world.files(&world.path("data")) {
        for secret in [&b"hunter2"[..], b"hunter3"] {
            let found = content.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a secret is in {}", path.display());
        }
    }
}

#[tokio::test]
async fn what_only_the_database_has_is_taken_over_too() {
    let world = World::new().await;
    let database = world.database();
    change(
        &database,
        &[
            ("UPDATE WorkspaceRatchet SET dispatchSnapshotKey = 'k', dispatchOutcome = 'DIED', dispatchRetryCount = 2, dispatchStalled = 1 WHERE workspaceId = 'w3'", 1),
            ("UPDATE WorkspaceRunScript SET postRunCommand = 'after' WHERE workspaceId = 'w3'", 1),
            ("UPDATE WorkspacePR SET discoveryRetryCount = 4, discoveryNextCheckAt = '2026-11-23T00:00:00.000+00:00' WHERE workspaceId = 'w3'", 1),
        ],
    )
    .await;
    world.core.import_database(&database).await.unwrap();
    let w3 = world.core.workspace(&"w3".parse().unwrap()).await.unwrap();
    let ratchet = w3.ratchet;
    assert_eq!(
        (ratchet.dispatch_retry_count, ratchet.dispatch_stalled),
        (2, true)
    );
    assert_eq!(
        serde_json::to_value(ratchet.dispatch_outcome).unwrap(),
        "DIED"
    );
    assert_eq!(ratchet.dispatch_snapshot_key.as_deref(), Some("k"));
    assert_eq!(w3.run_script.post_run_command.as_deref(), Some("after"));
    assert_eq!(w3.pr.discovery_retry_count, 4);
    assert!(w3.pr.discovery_next_check_at.is_some());
    assert_eq!((w3.run_script.pid, w3.init.script_pid), (None, None));
    let owner = world.core.owner().clone();
    assert_eq!(
        (w3.owner, w3.epoch, w3.project_id.as_str()),
        (owner, 1, PROJECT)
    );
    assert!(
        world
            .core
            .workspace(&WORKSPACE.parse().unwrap())
            .await
            .is_ok()
    );
}
