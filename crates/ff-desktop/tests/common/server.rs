//! The real server over plain processes, with the real agent in each VM.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ff_client::{Auth, CloudClient};
use ff_protocol::VmId;
use serde_json::Value;

/// How long it gets to end its agents.
const ENDS: Duration = Duration::from_secs(20);

/// A server, ended with the test, and its agents with it.
pub struct Server {
    dir: tempfile::TempDir,
    child: Child,
    pub url: String,
    pub client: CloudClient,
}

/// A program that is built beside `ff`.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_ff")).with_file_name(name);
    assert!(path.is_file(), "there is no {}: build it", path.display());
    path
}

impl Server {
    /// One for the user `test-user`.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(program("ff-cloud"))
            .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--provider", "process"])
            .arg("--agent-binary")
            .arg(program("ff-agent"))
            .arg("--data-dir")
            .arg(dir.path())
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let url = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break format!("http://{}", line["address"].as_str().unwrap());
            }
        };
        // It must not wait for a reader of its log.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let user = Auth::User("test-user".parse().unwrap());
        let client = CloudClient::new(&url, user).unwrap();
        Self {
            dir,
            child,
            url,
            client,
        }
    }

    /// The home of a VM.
    pub fn home(&self, vm: &VmId) -> PathBuf {
        let dir = self.dir.path().canonicalize().unwrap();
        dir.join("process").join(vm.as_str()).join("home")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + ENDS;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
