//! The real `ff` on a desktop of its own: home, XDG directories and a git repository.

#![allow(dead_code, missing_docs)]

pub mod cloud;
pub mod person;
pub mod script;
pub mod served;
pub mod server;
pub mod twin;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub struct Desktop {
    dir: TempDir,
}

/// What a run of `ff` gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desktop {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "bin"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        for tool in ["git", "bash", "sh", "cat", "mkdir"] {
            let place = dir.path().join("bin").join(tool);
            std::os::unix::fs::symlink(on_path(tool), place).unwrap();
        }
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config_file(&self) -> PathBuf {
        self.path("config/factory-factory/config.json")
    }

    /// A desktop with a project `app` (with a remote) and a workspace `demo`.
    pub fn with_workspace() -> Self {
        let desktop = Self::new();
        let repo = desktop.repository("app");
        git(
            &repo,
            &[
                "remote",
                "add",
                "origin",
                "https://git.example.test/me/app.git",
            ],
        );
        desktop.ok(&["project", "add", repo.to_str().unwrap()]);
        desktop.ok(&["workspace", "new", "demo"]);
        desktop
    }

    pub fn repository(&self, name: &str) -> PathBuf {
        let repo = self.path(name);
        std::fs::create_dir(&repo).unwrap();
        git(&repo, &["init", "--quiet", "--initial-branch=main"]);
        git(&repo, &["config", "user.name", "Test"]);
        git(&repo, &["config", "user.email", "test@example.test"]);
        std::fs::write(repo.join("README.md"), "hello\n").unwrap();
        git(&repo, &["add", "."]);
        git(&repo, &["commit", "--quiet", "-m", "first"]);
        repo
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ff"));
        // Only these tools: a CLI that may be installed on the machine is missing here.
        clean(&mut command)
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("USER", "Test.User")
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .current_dir(self.path("home"))
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub fn ff(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    /// A run that must succeed; its stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        let run = self.ff(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
        run.stdout
    }

    /// A run with `--json` that must succeed; its document.
    pub fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let stdout = self.ok(&args);
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {stdout}"))
    }

    pub fn worktree(&self, workspace: &str) -> PathBuf {
        let shown = self.json(&["workspace", "show", workspace]);
        PathBuf::from(shown["worktreePath"].as_str().unwrap())
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Asserts how it failed, and that it proposes a command.
    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stdout, "");
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in: {}",
                self.stderr
            );
        }
    }
}

fn on_path(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(tool));
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| panic!("no {tool} on PATH"))
}

fn clean(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(on_path("git"));
    clean(&mut command)
        .env("HOME", dir)
        .current_dir(dir)
        .args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
