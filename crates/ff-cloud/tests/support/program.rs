//! The server's real program over plain processes, and its agents as `/proc` shows them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ff_client::socket::{TerminalEvent, TerminalOptions};
use ff_client::{Auth, CloudClient, TerminalPlace};
use ff_protocol::VmId;
use ff_protocol::terminal::CreateTerminal;
use ff_protocol::vm::{Vm, VmState};
use serde_json::Value;

/// The agent, built beside the server.
pub fn agent_binary() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_ff-cloud")).with_file_name("ff-agent");
    assert!(
        path.is_file(),
        "there is no agent at {}: build it first with `cargo build -p ff-agent`",
        path.display()
    );
    path
}

pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ff-cloud"));
    command.arg("serve").args(args).env_remove("RUST_LOG");
    command
}

/// Waits until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1500 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}

/// A process, as long as it lives.
pub fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Processes with this entry in their environment.
pub fn with_variable(entry: &str) -> Vec<u32> {
    let found = std::fs::read_dir("/proc").unwrap().flatten();
    found
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|b| *b == 0)
                .any(|it| it == entry.as_bytes())
        })
        .collect()
}

pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// A data directory, and the server on it. What it started goes with it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub client: CloudClient,
    server: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let dir = self.dir.path().canonicalize().unwrap();
        let processes = dir.join("process");
        for entry in std::fs::read_dir(processes).into_iter().flatten().flatten() {
            let record = std::fs::read(entry.path().join("machine.json")).unwrap_or_default();
            let record: Value = serde_json::from_slice(&record).unwrap_or_default();
            let id = record["id"].as_str().unwrap_or("none");
            let mark = format!("FF_MACHINE={id}@{}", entry.path().display());
            for pid in with_variable(&mark) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
    }
}

fn begin(dir: &Path, args: &[&str]) -> (Child, BufReader<std::process::ChildStderr>, CloudClient) {
    agent_binary();
    let mut server = program(&["--dev", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--provider", "process", "--data-dir"])
        .arg(dir)
        .args(args)
        .env("FF_TEST_SECRET", "not for agents")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break format!("http://{}", line["address"].as_str().unwrap());
        }
    };
    let user = Auth::User("test-user".parse().unwrap());
    (server, log, CloudClient::new(&url, user).unwrap())
}

impl World {
    pub fn new(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (server, log, client) = begin(dir.path(), args);
        Self {
            dir,
            client,
            server,
            log,
        }
    }

    /// Ends the server by this signal, and starts another on its data once `between` is done.
    pub async fn restart(&mut self, how: &str, between: impl AsyncFnOnce(&Self)) {
        signal(how, self.server.id());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.server.wait().unwrap();
        between(self).await;
        (self.server, self.log, self.client) = begin(self.dir.path(), &[]);
    }

    /// The user's VM, and the number of its agent's process.
    pub async fn vm(&self) -> (Vm, u32) {
        let vm = self.client.create_vm(None).await.unwrap();
        assert_eq!(vm.state, VmState::Running);
        let pid = self.pid(&vm.id).expect("no process was noted");
        assert!(lives(pid));
        (vm, pid)
    }

    pub fn place(&self, vm: &VmId) -> PathBuf {
        let dir = self.dir.path().canonicalize().unwrap();
        dir.join("process").join(vm.as_str())
    }

    pub fn record(&self, vm: &VmId) -> Value {
        let bytes = std::fs::read(self.place(vm).join("machine.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub fn write_record(&self, vm: &VmId, record: &Value) {
        let path = self.place(vm).join("machine.json");
        std::fs::write(path, record.to_string()).unwrap();
    }

    pub fn pid(&self, vm: &VmId) -> Option<u32> {
        self.record(vm)["run"]["pid"].as_u64()?.try_into().ok()
    }

    pub async fn until(&self, vm: &VmId, state: VmState) -> Vm {
        eventually("the VM's state", async || {
            let now = self.client.vm(vm).await.unwrap();
            (now.state == state).then_some(now)
        })
        .await
    }

    /// How many terminals there are: a read, which wakes nothing.
    pub async fn terminals(&self, vm: &VmId) -> ff_client::Result<usize> {
        let place = TerminalPlace::Vm(vm.clone());
        Ok(self.client.engine().terminals(&place).await?.len())
    }

    /// Types a line into a new terminal of the VM, and reads until `end` shows.
    pub async fn typed(&self, vm: &VmId, line: &str, end: &str) -> String {
        typed(&self.client, vm, line, end).await
    }
}

/// Types a line into a new terminal of the VM, and reads until `end` shows.
pub async fn typed(client: &CloudClient, vm: &VmId, line: &str, end: &str) -> String {
    let place = TerminalPlace::Vm(vm.clone());
    let engine = client.engine();
    let terminal = engine
        .create_terminal(&place, &CreateTerminal::default())
        .await
        .unwrap();
    let options = TerminalOptions::default();
    let mut socket = engine.attach(&place, &terminal.id, options).await.unwrap();
    socket.input().send(format!("{line}\n")).await.unwrap();
    let mut seen = String::new();
    let read = async {
        while !seen.contains(end) {
            match socket.next().await.unwrap().unwrap() {
                TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes) => {
                    seen += &String::from_utf8_lossy(&bytes)
                }
                TerminalEvent::Exited(exit) => panic!("the shell ended with {exit}: {seen}"),
                _ => {}
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(30), read).await;
    assert!(read.is_ok(), "no {end:?} in {seen:?}");
    seen
}
