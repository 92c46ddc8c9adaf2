//! `ff import` and `ff export`: the way in from the original application, and back.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::Desktop;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

const BACKUP: &str = include_str!("../../ff-core/tests/fixtures/ff-export-v4.json");
const TRANSCRIPT: &str = include_str!("../../ff-core/tests/fixtures/transcript-2.1.330.jsonl");
const DATABASE: &[u8] = include_bytes!("../../ff-core/tests/fixtures/factory-factory-0.4.6.db");
const WORKSPACE: &str = "cmwrr3bsc00021l7dnuv8s3d6";
const CONVERSATION: &str = "1751e794-d020-4863-8781-53285e998012";

fn file(desktop: &Desktop, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = desktop.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn count(desktop: &Desktop, list: &str) -> usize {
    desktop.json(&[list, "list"]).as_array().unwrap().len()
}

fn counts(imported: u64, updated: u64, skipped: u64) -> Value {
    json!({"imported": imported, "updated": updated, "skipped": skipped})
}

#[test]
fn a_backup_comes_in_once_and_its_conversation_can_be_read() {
    let desktop = Desktop::new();
    let backup = file(&desktop, "backup.json", BACKUP);
    let transcript = format!("home/.claude/projects/-elsewhere/{CONVERSATION}.jsonl");
    file(&desktop, &transcript, TRANSCRIPT);
    let report = desktop.json(&["import", &backup]);
    assert_eq!(report["workspaces"], counts(1, 0, 0));
    assert_eq!(report["agentSessions"], counts(2, 0, 0));
    assert_eq!(report["messages"], 7);

    let shown = desktop.json(&["workspace", "show", WORKSPACE]);
    assert_eq!(shown["name"], "My First Workspace");
    assert_eq!(shown["location"], "DESKTOP");
    let sessions = desktop.json(&["session", "list", WORKSPACE]);
    let closed = |session: &Value| session["closedAt"].is_string();
    assert!(
        sessions.as_array().unwrap().iter().all(closed),
        "{sessions}"
    );
    let detail = desktop.json(&["session", "show", WORKSPACE, "Chat 1"]);
    assert_eq!(detail["messages"].as_array().unwrap().len(), 7);
    let text = desktop.ok(&["session", "show", WORKSPACE, "Chat 1"]);
    for words in ["you: Say hello", "claude: echo: Say hello", "Bash"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }

    let again = desktop.json(&["import", &backup]);
    assert_eq!(
        (&again["projects"], &again["messages"]),
        (&counts(0, 0, 1), &json!(0))
    );
    let text = desktop.ok(&["import", &backup]);
    assert!(text.contains("IMPORTED  UPDATED  SKIPPED"), "{text}");
    assert!(text.contains("is not on this machine"), "{text}");
}

#[test]
fn an_export_is_a_private_file_that_is_not_replaced_unasked() {
    let desktop = Desktop::new();
    let backup = file(&desktop, "backup.json", BACKUP);
    desktop.ok(&["import", &backup]);
    let target = desktop.path("out.json").to_str().unwrap().to_owned();
    let summary = desktop.json(&["export", &target]);
    assert_eq!(
        (&summary["workspaces"], &summary["agentSessions"]),
        (&json!(1), &json!(2))
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&target).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let written: Value = serde_json::from_slice(&std::fs::read(&target).unwrap()).unwrap();
    let printed: Value = serde_json::from_str(&desktop.ok(&["export"])).unwrap();
    assert_eq!(written["data"], printed["data"]);
    assert_eq!(written["meta"]["schemaVersion"], 4);
    desktop
        .ff(&["export", &target])
        .failed(4, &["is there already", "--force"]);
    desktop.ok(&["export", &target, "--force"]);
}

#[test]
fn an_export_leaves_links_devices_and_missing_directories_what_they_are() {
    let desktop = Desktop::new();
    let backup = file(&desktop, "backup.json", BACKUP);
    desktop.ok(&["import", &backup]);
    let at = |name: &str| desktop.path(name).to_str().unwrap().to_owned();
    let (missing, pipe, link) = (at("no/where/out.json"), at("pipe"), at("link"));
    desktop
        .ff(&["export", &missing, "--force"])
        .failed(4, &["the directory of", "is not there"]);
    assert!(!desktop.path("no").exists());
    desktop
        .ff(&["export", &at("home"), "--force"])
        .failed(4, &["is a directory"]);

    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut writer = desktop
        .command(&["export", &pipe, "--force"])
        .spawn()
        .unwrap();
    let came: Value = serde_json::from_slice(&std::fs::read(&pipe).unwrap()).unwrap();
    assert!(writer.wait().unwrap().success());
    assert_eq!(came["meta"]["schemaVersion"], 4);
    let kind = std::fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));

    let target = file(&desktop, "target.json", "old");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    desktop.ok(&["export", &link, "--force"]);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let written = std::fs::read_to_string(&target).unwrap();
    assert!(written.contains("schemaVersion"), "{written}");
    let names = std::fs::read_dir(desktop.path("")).unwrap().flatten();
    let mut names = names.map(|entry| entry.file_name());
    assert!(!names.any(|name| name.to_string_lossy().starts_with(".ff-")));
}

#[test]
fn a_dash_is_stdout_and_stdin() {
    let (from, to) = (Desktop::new(), Desktop::new());
    let backup = file(&from, "backup.json", BACKUP);
    from.ok(&["import", &backup]);
    let text = from.ok(&["export", "-"]);
    assert!(!from.path("home/-").exists());
    let came = file(&to, "came", &text);
    let mut command = to.command(&["import", "-", "--json"]);
    command.stdin(std::fs::File::open(came).unwrap());
    let run: common::Run = command.output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["workspaces"], counts(1, 0, 0));
    to.ff(&["import", "-"])
        .failed(2, &["what came on stdin cannot be imported: it is cut off"]);
}

/// A backup of another version, cut off, with fields that are not known, without parents.
#[test]
fn bad_input_import_5() {
    let desktop = Desktop::new();
    let refused = |name: &str, text: &str, code: i32, words: &[&str]| {
        let path = file(&desktop, name, text);
        desktop.ff(&["import", &path]).failed(code, words);
        assert_eq!(
            (count(&desktop, "project"), count(&desktop, "workspace")),
            (0, 0),
            "{name}"
        );
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut backup: Value = serde_json::from_str(BACKUP).unwrap();
        change(&mut backup);
        serde_json::to_string_pretty(&backup).unwrap()
    };
    for version in [json!(3), json!(5), json!("4"), json!(4.5)] {
        let text = with(&|backup| backup["meta"]["schemaVersion"] = version.clone());
        let named = format!("a backup of version {version}");
        refused("version.json", &text, 2, &[&named, "only version 4"]);
    }
    for cut in [1, BACKUP.len() / 3, BACKUP.len() - 2] {
        refused("cut.json", &BACKUP[..cut], 2, &["it is cut off", "line"]);
    }
    refused("empty.json", "", 2, &["cut off"]);
    refused("text.json", "PK\u{3}\u{4}", 2, &["it is not JSON"]);
    refused("other.json", "{\"a\": 1}", 2, &["it is no backup"]);
    let text = with(&|backup| {
        drop(
            backup["data"]["projects"][0]
                .as_object_mut()
                .unwrap()
                .remove("slug"),
        )
    });
    refused("field.json", &text, 2, &["missing field `slug`", "line"]);
    let text = with(&|backup| backup["data"]["workspaces"][0]["status"] = json!("ASLEEP"));
    refused("value.json", &text, 2, &["ASLEEP", "line"]);
    let none = desktop.path("none.json").to_str().unwrap().to_owned();
    desktop
        .ff(&["import", &none])
        .failed(3, &["there is no file"]);

    let text = with(&|backup| {
        backup["extra"] = json!(1);
        backup["data"]["projects"][0]["colour"] = json!("red");
        backup["data"]["userSettings"]["theme"] = json!("dark");
        let workspaces = backup["data"]["workspaces"].as_array_mut().unwrap();
        let mut orphan = workspaces[0].clone();
        orphan["id"] = json!("orphan");
        orphan["projectId"] = json!("nothing");
        let mut child = workspaces[0].clone();
        child["id"] = json!("child");
        child["parentWorkspaceId"] = json!("orphan");
        workspaces.extend([orphan, child]);
        backup["data"]["agentSessions"][1]["workspaceId"] = json!("child");
    });
    let path = file(&desktop, "odd.json", text);
    let report = desktop.json(&["import", &path]);
    assert_eq!(report["workspaces"], counts(1, 0, 2));
    assert_eq!(report["agentSessions"], counts(1, 0, 1));
    let notes = report["notes"].to_string();
    for words in [
        "data.projects[].colour, data.userSettings.theme, extra",
        "project nothing is missing",
        "parent workspace orphan is missing",
        "workspace child was left out",
    ] {
        assert!(notes.contains(words), "no {words:?} in {notes}");
    }
    assert_eq!(
        (count(&desktop, "project"), count(&desktop, "workspace")),
        (1, 1)
    );
}

/// Names and hashes of the files in a directory. Read by another process: when this one closes a
/// file, the locks go that SQLite holds on it here.
fn state(dir: &Path) -> String {
    let script = r#"cd "$0" && ls -A && sha256sum ./*"#;
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A connection of the original, in this process: its locks are another program's to `ff`.
fn original(runtime: &tokio::runtime::Runtime, database: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(format!("sqlite://{database}?mode=rw"));
    options.max_connections(1).sqlx_logging(false);
    runtime.block_on(Database::connect(options)).unwrap()
}

/// A database of another schema, or locked: says so, and the source stays as it is.
#[test]
fn bad_input_import_6() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let desktop = Desktop::new();
    let database = file(&desktop, "original/factory-factory.db", DATABASE);
    let dir = desktop.path("original");
    let run = |sql: &str| {
        let db = original(&runtime, &database);
        runtime.block_on(db.execute_unprepared(sql)).unwrap();
        runtime.block_on(db.close()).unwrap();
    };
    let refused = |code: i32, words: &[&str]| {
        let before = state(&dir);
        let asked = ["import", "--from-database", &database];
        desktop.ff(&asked).failed(code, words);
        assert_eq!(state(&dir), before, "the source was touched");
        assert_eq!(count(&desktop, "project"), 0);
    };

    run("ALTER TABLE Workspace RENAME COLUMN initOutput TO output");
    refused(
        2,
        &[
            "no database of Factory Factory 0.4.6",
            "Workspace.initOutput",
        ],
    );
    run("ALTER TABLE Workspace RENAME COLUMN output TO initOutput");

    run("UPDATE WorkspacePR SET state = 'LOST' WHERE workspaceId = 'w3'");
    refused(2, &["a row of Workspace cannot be read", "LOST"]);
    run("UPDATE WorkspacePR SET state = 'OPEN' WHERE workspaceId = 'w3'");

    let db = original(&runtime, &database);
    runtime
        .block_on(db.execute_unprepared("BEGIN EXCLUSIVE"))
        .unwrap();
    refused(4, &["is locked by another program", "nothing was imported"]);
    runtime.block_on(db.execute_unprepared("ROLLBACK")).unwrap();

    // The original runs, reads, and is about to write: that keeps nobody out.
    runtime
        .block_on(db.execute_unprepared("BEGIN IMMEDIATE"))
        .unwrap();
    let before = state(&dir);
    let report = desktop.json(&["import", "--from-database", &database]);
    assert_eq!(state(&dir), before, "the source was touched");
    assert_eq!(report["workspaces"], counts(2, 0, 0));
    runtime.block_on(db.execute_unprepared("ROLLBACK")).unwrap();
    assert_eq!(
        (count(&desktop, "project"), count(&desktop, "workspace")),
        (1, 2)
    );

    let text = file(&desktop, "text.db", "no database");
    desktop
        .ff(&["import", "--from-database", &text])
        .failed(2, &["it is no SQLite database"]);
    let none = desktop.path("none.db").to_str().unwrap().to_owned();
    desktop
        .ff(&["import", "--from-database", &none])
        .failed(3, &["there is no file"]);
}
