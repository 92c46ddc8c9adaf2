//! A machine of its own, and the original's backup and database.

use std::path::{Path, PathBuf};
use std::process::Command;

use ff_core::backup::report::Report;
use ff_core::{Core, CoreConfig, Side};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const BACKUP: &str = include_str!("../fixtures/ff-export-v4.json");
pub const TRANSCRIPT: &str = include_str!("../fixtures/transcript-2.1.330.jsonl");
const DATABASE: &[u8] = include_bytes!("../fixtures/factory-factory-0.4.6.db");

pub const PROJECT: &str = "cmwrr3bff00001l7dtdr08cmu";
pub const WORKSPACE: &str = "cmwrr3bsc00021l7dnuv8s3d6";
pub const SESSION: &str = "cmwrr3bsn00031l7dyybupirj";
pub const CONVERSATION: &str = "1751e794-d020-4863-8781-53285e998012";

pub struct World {
    pub dir: TempDir,
    pub core: Core,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("home")).unwrap();
        let config = CoreConfig::new(Side::Desktop, at("home"), at("data"), at("base"));
        let core = Core::open(config).await.unwrap();
        Self { dir, core }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Imports a backup from a file.
    pub async fn import(&self, backup: &Value) -> ff_core::Result<Report> {
        self.import_text(&backup.to_string()).await
    }

    pub async fn import_text(&self, text: &str) -> ff_core::Result<Report> {
        let file = self.path("backup.json");
        std::fs::write(&file, text).unwrap();
        self.core.import_backup(&file).await
    }

    pub async fn export(&self) -> Value {
        let backup = self.core.export_backup().await.unwrap();
        serde_json::to_value(&backup).unwrap()
    }

    /// The original's database, in a directory of its own.
    pub fn database(&self) -> PathBuf {
        let dir = self.path("original");
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("factory-factory.db");
        std::fs::write(&file, DATABASE).unwrap();
        file
    }

    /// A repository with a worktree on a branch: their paths.
    pub fn repository(&self) -> (String, String, String) {
        let (repo, base) = (self.path("repo"), self.path("theirs"));
        std::fs::create_dir(&base).unwrap();
        let worktree = base.join(format!("workspace-{WORKSPACE}"));
        let at = |path: &Path| path.to_str().unwrap().to_owned();
        git(self.dir.path(), &["init", "-q", "-b", "main", &at(&repo)]);
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.test"];
        let commit = ["commit", "-q", "--allow-empty", "-m", "first"];
        git(&repo, &[&identity[..], &commit].concat());
        git(
            &repo,
            &[
                "worktree",
                "add",
                "-q",
                "-b",
                "octo-user/my-first-workspace",
                &at(&worktree),
            ],
        );
        (at(&repo), at(&base), at(&worktree))
    }

    /// Every file under a directory with its content.
    pub fn files(&self, dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn git(dir: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("HOME", dir);
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

pub fn backup() -> Value {
    serde_json::from_str(BACKUP).unwrap()
}

/// What is in no export: processes of the source that are over.
pub fn without_processes(mut backup: Value) -> Value {
    for workspace in backup["data"]["workspaces"].as_array_mut().unwrap() {
        for field in ["runScriptPid", "runScriptPort", "runScriptStartedAt"] {
            workspace[field] = Value::Null;
        }
        workspace["runScriptStatus"] = json!("IDLE");
    }
    for session in backup["data"]["agentSessions"].as_array_mut().unwrap() {
        if session["status"] == "RUNNING" {
            session["status"] = json!("IDLE");
        }
        session["providerProcessPid"] = Value::Null;
    }
    for terminal in backup["data"]["terminalSessions"].as_array_mut().unwrap() {
        terminal["pid"] = Value::Null;
    }
    backup
}

/// What is in no export: paths that are not on this machine.
pub fn without_paths(mut backup: Value, base: &str) -> Value {
    for project in backup["data"]["projects"].as_array_mut().unwrap() {
        project["repoPath"] = json!("");
        let slug = project["slug"].as_str().unwrap();
        project["worktreeBasePath"] = json!(format!("{base}/worktrees/{slug}"));
    }
    for workspace in backup["data"]["workspaces"].as_array_mut().unwrap() {
        workspace["worktreePath"] = Value::Null;
    }
    backup
}

/// Asserts that two backups hold the same, field by field.
pub fn assert_same(exported: &Value, expected: &Value) {
    assert_eq!(exported["meta"]["schemaVersion"], 4);
    let made = exported["meta"]["exportedAt"].as_str().unwrap();
    assert_eq!((made.len(), made.ends_with('Z')), (24, true), "{made}");
    let mut differences = Vec::new();
    compare(
        "data",
        &exported["data"],
        &expected["data"],
        &mut differences,
    );
    assert!(differences.is_empty(), "{differences:#?}");
}

fn compare(place: &str, got: &Value, expected: &Value, differences: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            let mut keys: Vec<_> = got.keys().chain(expected.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let (Some(got), Some(expected)) = (got.get(key), expected.get(key)) else {
                    differences.push(format!("{place}.{key} is on one side only"));
                    continue;
                };
                compare(&format!("{place}.{key}"), got, expected, differences);
            }
        }
        (Value::Array(got), Value::Array(expected)) if got.len() == expected.len() => {
            for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
                compare(&format!("{place}[{at}]"), got, expected, differences);
            }
        }
        _ if got == expected => {}
        _ => differences.push(format!("{place}: {got} instead of {expected}")),
    }
}
