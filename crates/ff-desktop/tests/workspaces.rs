//! The life of workspaces by `ff`: alone, and through `ff serve`.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::served::{Served, until};
use common::{Desktop, git};

/// Commits a `factory-factory.json` to the project `app`.
fn scripts(desktop: &Desktop, text: &str) {
    let repo = desktop.path("app");
    std::fs::write(repo.join("factory-factory.json"), text).unwrap();
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "--quiet", "-m", "scripts"]);
}

/// Lets scripts use `sleep`.
fn with_sleep(desktop: &Desktop) {
    let real = ["/bin/sleep", "/usr/bin/sleep"];
    let real = real.into_iter().find(|it| Path::new(it).exists()).unwrap();
    std::os::unix::fs::symlink(real, desktop.path("bin/sleep")).unwrap();
}

#[test]
fn a_workspace_lives_from_new_to_deleted() {
    let desktop = Desktop::with_workspace();
    scripts(&desktop, r#"{"scripts": {"setup": "echo hello; exit 3"}}"#);
    let run = desktop.ff(&["workspace", "new", "Second try", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("exit code 3"), "{}", run.stderr);
    assert!(run.stderr.contains("ff workspace log"), "{}", run.stderr);
    let made: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(made["status"], "READY");
    assert_eq!(made["branchName"], "second-try");
    let shown = desktop.ok(&["workspace", "show", "Second try"]);
    assert!(
        shown.contains("warning: ") && shown.contains("exit code 3"),
        "{shown}"
    );
    assert!(
        shown.contains("stands: WAITING: nothing was asked yet"),
        "{shown}"
    );
    let list = desktop.ok(&["workspace", "list"]);
    let line = list
        .lines()
        .find(|line| line.contains("Second try"))
        .unwrap();
    assert!(
        line.contains("READY") && line.contains("WAITING: nothing"),
        "{list}"
    );
    let log = desktop.ok(&["workspace", "log", "Second try"]);
    assert!(log.contains("hello") && log.contains("warning:"), "{log}");
    desktop.json(&["workspace", "dismiss", "Second try"]);
    let run = desktop.ff(&["workspace", "retry", "Second try"]);
    run.failed(4, &["nothing to try again"]);
    let renamed = desktop.json(&["workspace", "rename", "Second try", "third"]);
    assert_eq!(renamed["name"], "third");

    let worktree = desktop.worktree("third");
    std::fs::write(worktree.join("work"), "work").unwrap();
    git(&worktree, &["config", "user.name", "Test"]);
    git(&worktree, &["config", "user.email", "test@example.test"]);
    let archived = desktop.json(&["workspace", "archive", "third"]);
    assert_eq!(archived["status"], "ARCHIVED");
    assert!(!worktree.exists());
    let repo = desktop.path("app");
    assert_eq!(git(&repo, &["show", "second-try:work"]), "work");
    let run = desktop.ff(&["workspace", "archive", "third"]);
    run.failed(4, &["is archived already", "ff workspace delete"]);
    let run = desktop.ff(&["workspace", "delete", "third"]);
    run.failed(4, &["its branch keeps what was archived", "--yes"]);
    let deleted = desktop.json(&["workspace", "delete", "third", "--yes"]);
    assert_eq!(deleted["deleted"], made["id"]);
    desktop.ff(&["workspace", "show", "third"]).failed(3, &[]);
}

#[test]
fn an_index_lock_is_told_with_the_way_around_it() {
    let desktop = Desktop::with_workspace();
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("work"), "work").unwrap();
    let lock = [
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "index.lock",
    ];
    let lock = git(&worktree, &lock);
    std::fs::write(&lock, "").unwrap();
    let run = desktop.ff(&["workspace", "archive", "demo"]);
    run.failed(4, &["index.lock", "--remove-git-index-lock"]);
    assert_eq!(
        desktop.json(&["workspace", "show", "demo"])["status"],
        "READY"
    );
    let args = ["workspace", "archive", "demo", "--remove-git-index-lock"];
    assert_eq!(desktop.json(&args)["status"], "ARCHIVED");
}

#[test]
fn branches_are_gone_on_with_or_refused() {
    let desktop = Desktop::with_workspace();
    let repo = desktop.path("app");
    git(&repo, &["branch", "topic"]);
    let made = desktop.json(&["workspace", "new", "--branch", "topic"]);
    assert_eq!(
        (&made["name"], &made["branchName"]),
        (&"topic".into(), &"topic".into())
    );
    assert_eq!(made["creationSource"], "RESUME_BRANCH");
    let run = desktop.ff(&["workspace", "new", "--branch", "topic"]);
    run.failed(4, &["is checked out in"]);
    let run = desktop.ff(&["workspace", "new", "--branch", "nowhere"]);
    run.failed(4, &["no branch nowhere"]);
    let run = desktop.ff(&["workspace", "new", "x", "--detach"]);
    run.failed(4, &["ff serve"]);
    let run = desktop.ff(&["workspace", "new", "--issue", "https://example.test/1"]);
    run.failed(2, &["names no issue"]);
}

#[test]
fn what_runs_in_new_workspaces_is_set_on_the_project() {
    let desktop = Desktop::with_workspace();
    let args = [
        "project",
        "set",
        "app",
        "--startup-command",
        "echo started > started",
    ];
    let set = desktop.json(&args);
    assert_eq!(set["startup"]["timeoutSecs"], 300);
    desktop.ok(&["workspace", "new", "fresh"]);
    assert!(desktop.worktree("fresh").join("started").exists());
    let set = desktop.json(&["project", "set", "app", "--startup-timeout", "7"]);
    assert_eq!(set["startup"]["command"], "echo started > started");
    let set = desktop.json(&["project", "set", "app", "--no-startup"]);
    assert_eq!(set["startup"]["command"], serde_json::Value::Null);
    assert_eq!(set["startup"]["timeoutSecs"], 7);
    let run = desktop.ff(&["project", "set", "app", "--startup-script", "../x"]);
    run.failed(2, &["no path inside of a checkout"]);
}

#[test]
fn under_serve_a_run_script_goes_on_and_ends_with_it() {
    let desktop = Desktop::with_workspace();
    with_sleep(&desktop);
    scripts(
        &desktop,
        r#"{"scripts": {"run": "echo on {port}; sleep 600"}}"#,
    );
    let served = Served::on(&desktop);
    let made = desktop.json(&["workspace", "new", "server", "--detach"]);
    assert!(made["status"] == "NEW" || made["status"] == "PROVISIONING");
    until("it is made", || {
        desktop.json(&["workspace", "show", "server"])["status"] == "READY"
    });
    let started = desktop.json(&["workspace", "run", "start", "server"]);
    assert_eq!(started["runScript"]["status"], "RUNNING");
    let port = started["runScript"]["port"].as_u64().unwrap();
    until("it says its port", || {
        let logs = desktop.json(&["workspace", "run", "logs", "server"]);
        logs["run"]
            .as_str()
            .unwrap()
            .contains(&format!("on {port}"))
    });
    let run = desktop.ff(&["workspace", "run", "start", "server"]);
    run.failed(4, &["runs already"]);
    let stopped = desktop.json(&["workspace", "run", "stop", "server"]);
    assert_eq!(stopped["runScript"]["status"], "IDLE");
    let started = desktop.json(&["workspace", "run", "start", "server"]);
    let pid = started["runScript"]["pid"].as_u64().unwrap();
    served.signal("-TERM");
    until("the script ends with the engine", || {
        !Path::new(&format!("/proc/{pid}")).exists()
    });
}

#[test]
fn alone_a_run_script_runs_as_long_as_its_command() {
    let desktop = Desktop::with_workspace();
    scripts(&desktop, r#"{"scripts": {"run": "echo built; exit 2"}}"#);
    desktop.ok(&["workspace", "new", "once"]);
    let run = desktop.ff(&["workspace", "run", "start", "once"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains("built"), "{}", run.stdout);
    assert!(
        run.stderr.contains("the run script failed"),
        "{}",
        run.stderr
    );
    let shown = desktop.json(&["workspace", "run", "logs", "once"]);
    assert_eq!(shown["runScript"]["status"], "FAILED");
    assert_eq!(shown["run"], "built\n", "the end of it is kept");
    let text = desktop.ok(&["workspace", "run", "logs", "once"]);
    assert!(text.ends_with("\nbuilt\n"), "{text}");
}

#[test]
fn completions_name_every_command_and_help_has_no_colour_unless_wanted() {
    let desktop = Desktop::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = desktop.ok(&["completions", shell]);
        for word in [
            "workspace",
            "archive",
            "completions",
            "remove-git-index-lock",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let sourced = std::process::Command::new("bash")
        .args(["-c", "source /dev/stdin && complete -p ff"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut bash| {
            use std::io::Write;
            let script = desktop.ok(&["completions", "bash"]);
            bash.stdin.take().unwrap().write_all(script.as_bytes())?;
            bash.wait()
        });
    assert!(sourced.unwrap().success(), "bash does not take it");
    let mut command = desktop.command(&["--help"]);
    command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1");
    let help = command.output().unwrap();
    assert!(!help.stdout.contains(&0x1b), "{help:?}");
}
