//! The program itself: how it starts, refuses to start, and ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use support::postgres::Database;

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ff-cloud"));
    command.arg("serve").args(args).env_remove("RUST_LOG");
    command.env_remove("DATABASE_URL");
    command.env_remove("FF_CLOUD_DATABASE_URL");
    command
}

fn refused(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(!status.success());
    assert!(stdout.is_empty());
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(text.trim().lines().count(), 1, "{text}");
    text
}

/// The program, running; killed when dropped.
struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(dir: &str) -> Self {
        Self::start_with(dir, &[])
    }

    fn start_with(dir: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = program(&["--dev", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--data-dir", dir])
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let url = String::new();
        let mut running = Self { child, log, url };
        while running.url.is_empty() {
            let mut line = String::new();
            let read = running.log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended before it listened");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                running.url = format!("http://{}", line["address"].as_str().unwrap());
            }
        }
        running
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        (code, rest)
    }
}

#[test]
fn without_dev_or_off_loopback_it_refuses_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let text = refused(&mut program(&["--data-dir", dir]));
    assert!(text.contains("--dev"), "{text}");
    let text = refused(&mut program(&[
        "--dev",
        "--listen",
        "0.0.0.0:0",
        "--data-dir",
        dir,
    ]));
    assert!(text.contains("loopback"), "{text}");
}

#[test]
fn a_taken_port_and_an_unusable_directory_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = dir.path().to_str().unwrap();
    let listen = address.to_string();
    let text = refused(&mut program(&[
        "--dev",
        "--listen",
        &listen,
        "--data-dir",
        data,
    ]));
    assert!(text.contains(&address.port().to_string()), "{text}");

    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    let below = below.to_str().unwrap();
    let text = refused(&mut program(&[
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        below,
    ]));
    assert!(
        text.contains(below) && text.contains("--data-dir"),
        "{text}"
    );
}

#[tokio::test]
async fn it_serves_without_an_engine_logs_json_and_ends_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Running::start(data.to_str().unwrap());
    let client = reqwest::Client::new();
    let health = client
        .get(format!("{}/healthz", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let vm = client
        .post(format!("{}/api/vms", server.url))
        .header("x-request-id", "seen-in-the-log")
        .json(&serde_json::json!({ "userId": "test-user" }))
        .send()
        .await
        .unwrap();
    assert_eq!(vm.status(), 503);
    let problem: Value = vm.json().await.unwrap();
    assert_eq!(problem["code"], "compute_unavailable");

    let text = data.to_str().unwrap();
    let twice = refused(&mut program(&[
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        text,
    ]));
    assert!(twice.contains("another server"), "{twice}");

    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, 0, "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let logged = lines
        .iter()
        .any(|line| line["span"]["request_id"] == "seen-in-the-log");
    assert!(logged, "{log}");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    assert_eq!(mode(&data.join("cloud.db")), 0o600);
}

#[test]
fn it_starts_again_on_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    for _ in 0..2 {
        let server = Running::start(data);
        server.signal("INT");
        assert_eq!(server.end().0, 0);
    }
}

#[tokio::test]
async fn it_serves_from_postgresql_and_never_shows_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let database = Database::empty().await;
    let url = database.url().replace("ff@", "ff:hushhush@");
    for variable in ["DATABASE_URL", "FF_CLOUD_DATABASE_URL"] {
        let variables = [(variable, url.as_str()), ("RUST_LOG", "trace")];
        let server = Running::start_with(data, &variables);
        let post = reqwest::Client::new()
            .post(format!("{}/api/vms", server.url))
            .json(&serde_json::json!({ "userId": "test-user" }));
        assert_eq!(post.send().await.unwrap().status(), 503);
        server.signal("TERM");
        let (code, log) = server.end();
        assert_eq!(code, 0, "{log}");
        assert!(!log.contains("hushhush"), "{log}");
    }
    assert_eq!(database.sql("SELECT count(*) FROM vms"), "0");
    assert!(!dir.path().join("cloud.db").exists());

    let nowhere = "postgres://ff:hushhush@127.0.0.1:1/some";
    let given = ["--dev", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut given = program(&given);
    let text = refused(given.env("FF_CLOUD_DATABASE_URL", nowhere));
    assert!(text.contains("`some` at 127.0.0.1:1"), "{text}");
    assert!(!text.contains("hushhush"), "{text}");
}
