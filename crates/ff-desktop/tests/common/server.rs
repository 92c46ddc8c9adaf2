//! The real server over plain processes, with the real agent in each VM.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ff_client::{Auth, CloudClient};
use ff_protocol::VmId;
use serde_json::Value;

use super::{Desktop, git};

/// How long it gets to end its agents.
const ENDS: Duration = Duration::from_secs(20);
/// Remote of a desktop's project.
pub const REMOTE: &str = "https://git.example.test/me/app.git";

/// A server, ended with the test, and its agents with it.
pub struct Server {
    dir: tempfile::TempDir,
    child: Option<Child>,
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
        let (child, url) = serve(dir.path(), "127.0.0.1:0");
        let user = Auth::User("test-user".parse().unwrap());
        let client = CloudClient::new(&url, user).unwrap();
        Self {
            dir,
            child: Some(child),
            url,
            client,
        }
    }

    /// One with a VM, for whose git the remote of this desktop is on this machine.
    pub async fn with_vm_for(desktop: &Desktop) -> Self {
        let server = Self::start();
        let vm = server.client.create_vm(None).await.unwrap();
        let bare = desktop.path("remote.git");
        if !bare.exists() {
            let (from, to) = (desktop.path("app"), bare.to_str().unwrap().to_owned());
            git(&from, &["clone", "--quiet", "--bare", ".", &to]);
        }
        let here = format!("[url \"{}\"]\n\tinsteadOf = {REMOTE}\n", bare.display());
        std::fs::write(server.home(&vm.id).join(".gitconfig"), here).unwrap();
        server
    }

    /// Ends it, and its agents with it.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + ENDS;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts it once more, where it was.
    pub fn start_again(&mut self) {
        let (child, url) = serve(self.dir.path(), &self.address().to_string());
        assert_eq!(url, self.url);
        self.child = Some(child);
    }

    pub fn address(&self) -> SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Holds its database, its log and its VMs.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The home of a VM.
    pub fn home(&self, vm: &VmId) -> PathBuf {
        let dir = self.dir.path().canonicalize().unwrap();
        dir.join("process").join(vm.as_str()).join("home")
    }

    /// The home of the only VM.
    pub fn the_home(&self) -> PathBuf {
        let vms = self.dir.path().canonicalize().unwrap().join("process");
        let mut vms = std::fs::read_dir(vms).unwrap();
        vms.next().unwrap().unwrap().path().join("home")
    }

    /// The port of the only VM's agent.
    pub fn agent_port(&self) -> u16 {
        let machine = self.the_home().with_file_name("machine.json");
        let machine = std::fs::read(machine).unwrap();
        let machine: serde_json::Value = serde_json::from_slice(&machine).unwrap();
        let port = machine["run"]["port"].as_u64();
        port.unwrap_or_else(|| panic!("no port in {machine}"))
            .try_into()
            .unwrap()
    }

    /// The directory of the only workspace in the only VM.
    pub fn worktree(&self) -> PathBuf {
        let all = self.the_home().join("factory-factory/worktrees");
        let below = |dir: PathBuf, prefix: &str| {
            let mut found = std::fs::read_dir(&dir)
                .unwrap()
                .map(|it| it.unwrap().path());
            let is_meant = |path: &PathBuf| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with(prefix)
            };
            found
                .find(is_meant)
                .unwrap_or_else(|| panic!("nothing in {}", dir.display()))
        };
        below(below(all, ""), "workspace-")
    }
}

/// A server that listens, and its address. Its log is kept in its directory.
fn serve(dir: &Path, listen: &str) -> (Child, String) {
    let mut child = Command::new(program("ff-cloud"))
        .args(["serve", "--dev", "--listen", listen])
        .args(["--log-format", "json", "--provider", "process"])
        .arg("--agent-binary")
        .arg(program("ff-agent"))
        .arg("--data-dir")
        .arg(dir)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let path = dir.join("server.log");
    let kept = File::options().create(true).append(true).open(path);
    let mut kept = kept.unwrap();
    let url = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
        kept.write_all(line.as_bytes()).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break format!("http://{}", line["address"].as_str().unwrap());
        }
    };
    // It must not wait for a reader of its log.
    std::thread::spawn(move || std::io::copy(&mut log, &mut kept));
    (child, url)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
