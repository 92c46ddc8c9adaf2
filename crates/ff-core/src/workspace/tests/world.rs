//! A core with one repository, looked at from outside with git and the file system.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ff_protocol::WorkspaceId;
use ff_protocol::project::Project;
use ff_protocol::workspace::{CreateWorkspace, RunScriptStatus, Workspace, WorkspaceStatus};
use sea_orm::ConnectionTrait;

use crate::config::{CoreConfig, Side};
use crate::core::Core;
use crate::session::tests::world::{FRAME, LOOP};

/// A CLI that writes down each message it is given.
const CLI: &str = r#"on_user() { printf '%s\n' "$2" >> "$here/said"; result "$1" done; }"#;

pub(super) struct World {
    pub(super) core: Core,
    pub(super) home: PathBuf,
    pub(super) repo: PathBuf,
    pub(super) project: Project,
    _dir: Option<tempfile::TempDir>,
}

impl World {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        prepare(&home);
        Self {
            _dir: Some(dir),
            ..Self::at(&home).await
        }
    }

    /// The core over what is at a place already.
    pub(super) async fn at(home: &Path) -> Self {
        let core = open(home).await;
        let repo = home.join("demo");
        core.keep_workspaces();
        let project = core.project_add(&repo).await.unwrap();
        Self {
            core,
            home: home.to_owned(),
            repo,
            project,
            _dir: None,
        }
    }

    pub(super) fn git(&self, dir: &Path, args: &[&str]) -> String {
        git(&self.home, dir, args)
    }

    /// Commits a file on the main branch.
    pub(super) fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.repo.join(file), text).unwrap();
        self.git(&self.repo, &["add", "-A"]);
        self.git(&self.repo, &["commit", "--quiet", "-m", file]);
        self.git(&self.repo, &["rev-parse", "HEAD"])
    }

    /// Commits a `factory-factory.json` with these scripts.
    pub(super) fn scripts(&self, scripts: serde_json::Value) {
        let text = serde_json::json!({ "scripts": scripts }).to_string();
        self.commit("factory-factory.json", &text);
    }

    pub(super) fn named(&self, name: &str) -> CreateWorkspace {
        CreateWorkspace {
            project_id: Some(self.project.id.clone()),
            name: Some(name.to_owned()),
            ..CreateWorkspace::default()
        }
    }

    pub(super) async fn made(&self, create: CreateWorkspace) -> Workspace {
        let id = self.core.workspace_create(create).await.unwrap().id;
        self.core.workspace_settled(&id).await.unwrap()
    }

    pub(super) async fn ready(&self, name: &str) -> Workspace {
        let made = self.made(self.named(name)).await;
        assert_eq!(made.status, WorkspaceStatus::Ready, "{:?}", made.init);
        made
    }

    pub(super) async fn row(&self, id: &WorkspaceId) -> Workspace {
        self.core.workspace(id).await.unwrap()
    }

    /// Has a row say that its worktree is elsewhere.
    pub(super) async fn set_worktree(&self, id: &WorkspaceId, path: &str) {
        let url = format!("sqlite://{}", self.home.join("data/core.db").display());
        let db = sea_orm::Database::connect(url).await.unwrap();
        let row = format!("UPDATE workspaces SET worktree_path = '{path}' WHERE id = '{id}'");
        let done = db.execute_unprepared(&row).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    pub(super) async fn run_status(&self, id: &WorkspaceId, wanted: RunScriptStatus) {
        soon("the run script has the state", async || {
            self.row(id).await.run_script.status == wanted
        })
        .await;
    }

    /// What the CLI was told so far.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(self.home.join("said")).unwrap_or_default()
    }
}

pub(super) fn dir(workspace: &Workspace) -> PathBuf {
    PathBuf::from(workspace.worktree().unwrap())
}

/// A home with a repository and a CLI.
pub(super) fn prepare(home: &Path) {
    for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.test")] {
        git(home, home, &["config", "--global", key, value]);
    }
    let repo = home.join("demo");
    std::fs::create_dir(&repo).unwrap();
    git(home, &repo, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(repo.join("README"), "hello\n").unwrap();
    git(home, &repo, &["add", "-A"]);
    git(home, &repo, &["commit", "--quiet", "-m", "first"]);
    let claude = home.join("claude");
    std::fs::write(&claude, format!("{FRAME}{CLI}\n{LOOP}")).unwrap();
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub(super) async fn open(home: &Path) -> Core {
    let (data, base) = (home.join("data"), home.join("base"));
    let mut config = CoreConfig::new(Side::Desktop, home.to_owned(), data, base);
    config.claude = home.join("claude");
    Core::open(config).await.unwrap()
}

pub(crate) fn git(home: &Path, dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("HOME", home)
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Waits until something holds.
pub(super) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not so after a minute: {what}");
}

/// Processes whose environment names a workspace as the one they run a script of.
pub(super) fn scripts_left(id: &WorkspaceId) -> usize {
    let mark = format!("FF_SCRIPT_OF={id}.").into_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let carries = |entry: &std::fs::DirEntry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|it| it.starts_with(&mark))
    };
    entries.filter(carries).count()
}
